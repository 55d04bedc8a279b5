"""What a monitor is given: metrics of backups and disk, alert rules, a dashboard of Grafana."""

import json
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import yaml
from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from medmip.catalogue.home import Home
from medmip.deploy.backup import ENDING
from medmip.deploy.settings import backup_settings


class BackupCollector(Collector):
    """How old the newest backup is, and how much of the disks is free; read at each scrape."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def collect(self) -> Iterator[Metric]:
        """Of backups where `mip.toml` names a folder for them."""
        age = backup_age(self._home)
        if age is not None:
            yield GaugeMetricFamily("mip_backup_age_seconds", "Age of the newest backup", age)
        free = GaugeMetricFamily("mip_disk_free_ratio", "Free share of a disk", labels=["place"])
        for place, share in free_shares(self._home).items():
            free.add_metric([place], share)
        yield free


def newest_backup(home: Home) -> datetime | None:
    """When the newest backup was made, None where there is none, or their folder is not there.

    Raises LookupError where `mip.toml` names no folder for them.
    """
    if not backup_settings(home).to:
        raise LookupError
    folder = _folder(home)
    made = [] if folder is None else _made(folder)
    return datetime.fromtimestamp(max(made), UTC) if made else None


def backup_age(home: Home) -> float | None:
    """Seconds since the newest backup was made; None where they have no folder."""
    folder = _folder(home)
    # None was ever made: as old as can be, so that the same rule tells of it.
    return None if folder is None else time.time() - max(_made(folder), default=0)


def free_shares(home: Home) -> dict[str, float]:
    """The free share of the disks of the home and of the backups."""
    folder = _folder(home)
    places = {"home": home.path} | ({} if folder is None else {"backups": folder})
    usages = {place: shutil.disk_usage(path) for place, path in places.items()}
    return {place: usage.free / usage.total for place, usage in usages.items()}


def _folder(home: Home) -> Path | None:
    named = backup_settings(home).to
    return Path(named) if named and Path(named).is_dir() else None


def _made(folder: Path) -> list[float]:
    """When backups were made, in seconds since 1970."""
    return [path.stat().st_mtime for path in folder.glob(f"mip-*{ENDING}")]


@dataclass(frozen=True, slots=True)
class Alert:
    """A rule: what is asked, for how long it must hold, how grave it is, what to do."""

    name: str
    asked: str
    holds: str
    severity: str
    what: str
    remedy: str


ALERTS = (
    Alert(
        "MipDown",
        'up{job="mip"} == 0',
        "2m",
        "critical",
        "the node does not answer",
        "mip deploy status, mip deploy logs",
    ),
    Alert(
        "MipBackupOld",
        "mip_backup_age_seconds > 26 * 3600",
        "10m",
        "critical",
        "the newest backup is older than 26 hours",
        "systemctl start mip-backup; mip deploy logs mip-backup",
    ),
    Alert(
        "MipDiskFull",
        "mip_disk_free_ratio < 0.1",
        "10m",
        "warning",
        "less than a tenth of a disk is free",
        "free space, or a larger disk",
    ),
    Alert(
        "MipExperimentsFail",
        'increase(mip_experiments{state="failed"}[1h]) > 10',
        "0m",
        "warning",
        "more than ten experiments failed within an hour",
        "the portal tells why; mip deploy logs",
    ),
    Alert(
        "MipExperimentsStuck",
        'mip_experiments{state="running"} > 0 and changes(mip_ledger_rows[6h]) == 0',
        "6h",
        "warning",
        "an experiment runs for six hours and releases nothing",
        "stop it in the portal; mip deploy logs",
    ),
    Alert(
        "MipSiteAway",
        "mip_hub_site_up == 0",
        "5m",
        "warning",
        "a hospital gives no sign of life to the hub",
        "its administrator: mip doctor",
    ),
    Alert(
        "MipHubAway",
        "mip_site_connected == 0",
        "5m",
        "warning",
        "this site does not reach the hub",
        "mip doctor tells which step of the road fails",
    ),
    Alert(
        "MipClock",
        "abs(mip_hub_site_clock_seconds) > 30 or abs(mip_site_clock_seconds) > 30",
        "5m",
        "warning",
        "clocks differ by more than 30 seconds",
        "see to the time server of both",
    ),
    Alert(
        "MipMessagesRefused",
        "increase(mip_hub_site_rejected_messages_total[1h]) > 0 or "
        'increase(mip_site_questions_total{outcome="malformed"}[1h]) > 0',
        "0m",
        "critical",
        "messages came that are not accepted: a fault, or somebody who tries",
        "mip hub runs, mip site log; ask the other side",
    ),
)
_PANELS = (
    ("Node answers", 'up{job="mip"}', "none"),
    ("Newest backup", "mip_backup_age_seconds", "s"),
    ("Free disk", "mip_disk_free_ratio", "percentunit"),
    ("Datasets", "mip_datasets", "none"),
    ("Experiments by state", "mip_experiments", "none"),
    ("Rows of the ledger", "mip_ledger_rows", "none"),
    ("Hospitals by state", "mip_hub_sites", "none"),
    ("Hospitals that are there", "mip_hub_site_up", "none"),
    ("Last sign of life", "mip_hub_site_seen_seconds", "s"),
    ("Clocks of hospitals", "mip_hub_site_clock_seconds", "s"),
    ("Analyses at hospitals", "mip_hub_site_runs", "none"),
    ("Hub is reached", "mip_site_connected", "none"),
    ("The hub's questions", "rate(mip_site_questions_total[5m])", "ops"),
    ("Analyses that wait for consent", "mip_site_requests_waiting", "none"),
)


def alert_rules() -> str:
    """A file of rules for Prometheus."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.asked,
            "for": alert.holds,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.what, "description": alert.remedy},
        }
        for alert in ALERTS
    ]
    return yaml.safe_dump({"groups": [{"name": "mip", "rules": rules}]}, sort_keys=False)


def dashboard() -> str:
    """A dashboard for Grafana, whose source of data is chosen when it is imported."""
    source = {"type": "prometheus", "uid": "${source}"}
    panels = [
        {
            "id": number + 1,
            "type": "timeseries",
            "title": title,
            "datasource": source,
            "gridPos": {"h": 7, "w": 8, "x": 8 * (number % 3), "y": 7 * (number // 3)},
            "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
            "targets": [{"refId": "A", "expr": asked, "datasource": source}],
        }
        for number, (title, asked, unit) in enumerate(_PANELS)
    ]
    whole = {
        "title": "MIP",
        "uid": "mip",
        "tags": ["mip"],
        "schemaVersion": 39,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    }
    return json.dumps(whole, indent=2) + "\n"
