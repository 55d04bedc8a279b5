"""What a monitor is given names metrics that there are, and the documents tell of each alert."""

import json
import os
import re
import time
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from medmip.catalogue.home import Home
from medmip.cli.main import app
from medmip.deploy.monitoring import ALERTS, BackupCollector, alert_rules, dashboard, newest_backup
from tests.project.tree import ROOT

TOLD = set(
    re.findall(r"`(mip_\w+)`", (ROOT / "docs/it-administrator.md").read_text(encoding="utf-8"))
)


def scraped(home: Home) -> dict[tuple[str, str], float]:
    registry = CollectorRegistry()
    registry.register(BackupCollector(home))
    return {
        (sample.name, sample.labels.get("place", "")): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def test_every_metric_that_is_asked_for_is_told_of() -> None:
    asked = set(re.findall(r"mip_\w+", alert_rules() + dashboard())) - {"mip"}
    assert len(asked) > 12
    assert asked <= TOLD
    source = "".join(
        path.read_text()
        for name in ("web/metrics.py", "federation/metrics.py", "deploy/monitoring.py")
        for path in [ROOT / "src/medmip" / name]
    )
    made = set(re.findall(r'(?:Family|_gauge)\(\s*"(mip_\w+)"', source))
    assert {name.removesuffix("_total") for name in asked} <= made


def test_every_alert_says_what_to_do() -> None:
    (group,) = yaml.safe_load(alert_rules())["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    for rule in group["rules"]:
        assert rule["annotations"]["description"]
        assert re.fullmatch(r"\d+[mh]", rule["for"])
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_panels_of_the_dashboard_do_not_overlap() -> None:
    panels = json.loads(dashboard())["panels"]
    places = {(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}
    assert len(places) == len(panels) == len({panel["id"] for panel in panels})
    assert max(x for x, _ in places) + 8 == 24


def test_the_age_of_the_newest_backup_is_told(home: Home, tmp_path: Path) -> None:
    assert {name for name, _ in scraped(home)} == {"mip_disk_free_ratio"}
    with pytest.raises(LookupError):
        newest_backup(home)
    shelf = tmp_path / "shelf"
    home.configuration.write_text(f'[backup]\nto = "{shelf}"\n')
    assert newest_backup(home) is None, "a share that is not mounted has no backups"
    shelf.mkdir()
    assert scraped(home)["mip_backup_age_seconds", ""] == pytest.approx(time.time(), abs=60)
    assert newest_backup(home) is None
    for name, age in (("mip-a-1.tar.age", 7200), ("mip-a-2.tar.age", 3600)):
        (shelf / name).touch()
        os.utime(shelf / name, (time.time() - age,) * 2)
    found = scraped(home)
    assert found["mip_backup_age_seconds", ""] == pytest.approx(3600, abs=30)
    assert 0 < found["mip_disk_free_ratio", "backups"] <= 1
    newest = newest_backup(home)
    assert newest is not None
    assert newest.timestamp() == pytest.approx(time.time() - 3600, abs=30)


def test_files_for_a_monitor_are_written(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["deploy", "monitoring", "--out", str(tmp_path / "new")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "new/alerts.yml").read_text() == alert_rules()
    assert (tmp_path / "new/dashboard.json").read_text() == dashboard()
