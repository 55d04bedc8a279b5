"""An author's algorithm: begun, checked, packaged, enabled, run."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from medmip.authoring.check import check
from medmip.authoring.template import begin
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.demo.cohorts import synthetic_cohorts
from medmip.errors import Conflict, NotFound, RequestError
from medmip.experiments.packages import (
    PackageError,
    algorithms_of,
    disable,
    enable,
    find_anywhere,
    offered,
)
from medmip.experiments.request import Request
from medmip.experiments.service import ExperimentService
from medmip.ingest.publish import bring_in
from tests.conftest import missing

MIP = str(Path(sys.executable).with_name("mip"))


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that offers `spread`, on the path as pip would have put it there."""
    begin("spread", tmp_path)
    place = tmp_path / "spread"
    metadata = place / "mip_spread-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mip-spread\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text("[medmip.algorithms]\nspread = spread:spread\n")
    monkeypatch.syspath_prepend(place)
    monkeypatch.setenv("PYTHONPATH", f"{place}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.delitem(sys.modules, "spread", raising=False)
    return place


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").prepare()


def test_what_new_makes_passes_its_check_and_its_test(tmp_path: Path) -> None:
    files = begin("my_spread", tmp_path)
    assert [file.name for file in files] == ["pyproject.toml", "my_spread.py", "test_my_spread.py"]
    found = find_anywhere(str(files[1]), Home(tmp_path))
    assert [part for part in check(found) if not part.passed] == []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(files[2].parent)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": f"{files[0].parent}{os.pathsep}{_source()}"},
        cwd=tmp_path,
    )
    assert "2 passed" in done.stdout, done.stdout


def _source() -> str:
    return os.environ.get("PYTHONPATH", "")


@pytest.mark.parametrize("name", ["Spread", "x", "class", "a-b", "../x"])
def test_a_name_that_python_cannot_have_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(RequestError):
        begin(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_that_is_there_is_written_over(tmp_path: Path) -> None:
    begin("spread", tmp_path)
    with pytest.raises(Conflict):
        begin("spread", tmp_path)
    with pytest.raises(Conflict, match="describe"):
        begin("describe", tmp_path)


def test_a_package_is_off_until_it_is_enabled(installed: Path, home: Home) -> None:
    del installed
    (part,) = offered(home)
    assert (part.name, part.package, part.version, part.enabled) == (
        "spread", "mip-spread", "0.1.0", False,
    )  # fmt: skip
    assert "spread" not in sys.modules
    assert "spread" not in algorithms_of(home)
    assert enable(home, "spread").enabled
    assert algorithms_of(home)["spread"].label == "Spread"
    disable(home, "spread")
    assert "spread" not in algorithms_of(home)
    with pytest.raises(NotFound):
        disable(home, "spread")
    with pytest.raises(NotFound):
        enable(home, "another")


def test_a_package_that_stops_or_vanishes_is_named(
    installed: Path, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    enable(home, "spread")
    (installed / "spread.py").write_text("raise ValueError('on purpose')")
    sys.modules.pop("spread", None)
    with pytest.raises(PackageError, match="mip-spread stopped with ValueError"):
        algorithms_of(home)
    monkeypatch.setattr(sys, "path", [part for part in sys.path if part != str(installed)])
    with pytest.raises(PackageError, match="mip-spread, which offered"):
        algorithms_of(home)
    home.algorithms.write_text("enabled = 3")
    with pytest.raises(PackageError, match=r"algorithms\.toml"):
        algorithms_of(home)


def test_the_whole_road_by_command(installed: Path, home: Home) -> None:
    def mip(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [MIP, *arguments, "--home", str(home.path)],
            capture_output=True,
            text=True,
            check=False,
        )

    assert "`mip algorithm enable spread`" in mip("algorithm", "list").stdout
    checked = mip("algorithm", "check", str(installed / "spread.py"))
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stdout.count("ok  ") == 9
    assert mip("algorithm", "show", "spread").returncode == 1
    assert mip("algorithm", "enable", "spread").returncode == 0
    assert "Discloses:" in mip("algorithm", "show", "spread").stdout
    names = [part["name"] for part in json.loads(mip("algorithm", "list", "--json").stdout)]
    assert "spread" in names
    broken = (installed / "spread.py").read_text().replace("(variable,) = cohort.y", "1 / 0")
    (installed / "spread.py").write_text(broken)
    checked = mip("algorithm", "check", str(installed / "spread.py"))
    assert checked.returncode == 1
    assert "ZeroDivisionError" in checked.stdout


def test_provenance_says_what_folded_an_algorithm_of_another_package(
    installed: Path, home: Home, tmp_path: Path
) -> None:
    """On a home with a cluster: its workers know MIP's own kernels alone."""
    del installed
    pytest.importorskip("distributed")
    enable(home, "spread")
    cohort = next(one for one in synthetic_cohorts() if one.dataset == "edsd-synthetic")
    bring_in(home, cohort.write(tmp_path), ModelStore(home).get(cohort.model), synthetic=True)
    home.configuration.write_text('[engine]\nkind = "dask"\nworkers = 1\n')
    service = ExperimentService(home)
    try:
        engines = {}
        for name in ("spread", "pca"):
            done = service.run(
                Request.model_validate(
                    {
                        "algorithm": name,
                        "inputdata": {
                            "data_model": cohort.model,
                            "datasets": [cohort.dataset],
                            "y": ["lefthippocampus", "righthippocampus"][: 1 + (name == "pca")],
                            "x": [],
                            "filters": None,
                        },
                        "parameters": {},
                    }
                )
            )
            assert done.provenance is not None, done
            (used,) = done.provenance.snapshots
            engines[name] = used.engine
    finally:
        service.close()
    assert engines == {"spread": "duckdb", "pca": "dask"}


def test_a_built_and_installed_package_is_offered_and_runs(tmp_path: Path) -> None:
    """As an author ships it: a wheel from its folder, in an environment of its own."""
    begin("spread", tmp_path)
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python3*/site-packages")
    base = sysconfig.get_path("purelib")
    (packages / "base.pth").write_text(f"import site; site.addsitedir({base!r})\n")
    python = str(environment / "bin" / "python")
    install = [sys.executable, "-m", "uv", "pip", "install", "--python", python, "--no-deps"]
    built = subprocess.run(
        [*install, str(tmp_path / "spread")], capture_output=True, text=True, check=False
    )
    if built.returncode:
        missing(f"the package cannot be built here: {built.stderr.strip().splitlines()[-1]}")
    home = Home(tmp_path / "home").prepare()

    def mip(*arguments: str) -> str:
        program = "from medmip.cli.main import main; main()"
        done = subprocess.run(
            [python, "-c", program, *arguments],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"MIP_HOME": str(home.path)},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "mip-spread 0.1.0 offers spread: not enabled" in mip("algorithm", "list")
    mip("algorithm", "enable", "spread")
    cohort = next(one for one in synthetic_cohorts() if one.dataset == "edsd-synthetic")
    bring_in(home, cohort.write(tmp_path), ModelStore(home).get(cohort.model), synthetic=True)
    told = mip(
        *("run", "spread", "--model", cohort.model, "--datasets", cohort.dataset, "--json"),
        *("--y", "lefthippocampus"),
    )
    assert 2.5 < json.loads(told)["result"]["data"]["mean"] < 3.5
