"""What this installation tells a monitor of its experiments, ledger and data; no patient."""

from collections.abc import Iterator

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from medmip.experiments.experiment import State
from medmip.experiments.listing import Wanted
from medmip.experiments.service import ExperimentService


class ServiceCollector(Collector):
    """Counts that are read anew at each scrape."""

    def __init__(self, service: ExperimentService) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        """Experiments by state, rows of the ledger, datasets."""
        service = self._service
        experiments = GaugeMetricFamily("mip_experiments", "Experiments by state", labels=["state"])
        for state in State:
            experiments.add_metric([state], service.find(Wanted(state=state), 1)[0])
        yield experiments
        yield GaugeMetricFamily("mip_ledger_rows", "Rows of the ledger", service.ledger.count())
        yield GaugeMetricFamily("mip_datasets", "Published datasets", len(service.datasets.list()))
