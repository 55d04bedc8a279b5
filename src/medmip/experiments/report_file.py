"""An experiment's report as a file to keep, in the form that is asked for."""

from typing import Literal

from medmip.experiments.reproduction import ADDRESS
from medmip.experiments.service import ExperimentService

ReportForm = Literal["html", "pdf"]


def report_file(
    service: ExperimentService,
    identity: str,
    form: ReportForm = "html",
    address: str = ADDRESS,
    *,
    token: bool = False,
) -> bytes:
    """The report as one HTML page or a PDF; other arguments and errors as of `write_up`."""
    written = service.write_up(identity, address, token=token)
    experiment = service.get(identity)
    model = service.known_model(experiment)
    if form == "pdf":
        from medmip.experiments.report_pdf import pdf  # noqa: PLC0415 - rarely needed, slow

        return pdf(experiment, written, model)
    from medmip.experiments.report import page  # noqa: PLC0415 - rarely needed, slow

    return page(experiment, written, model).encode()
