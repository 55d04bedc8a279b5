"""A home of the demonstration is started with the engine that it was made with, or not at all."""

from pathlib import Path

import pytest

from medmip.catalogue.home import Home
from medmip.cli.main import main
from tests.ports import free_port


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.mark.parametrize(
    "made, asked",
    [('kind = "dask"\nworkers = 1\n', "duckdb"), ('kind = "duckdb"\n', "dask")],
)
def test_a_home_made_with_another_engine_is_refused_and_left_as_it_was(
    tmp_path: Path, port: int, capsys: pytest.CaptureFixture[str], made: str, asked: str
) -> None:
    home = Home(tmp_path / "home").prepare()
    home.configuration.write_text(f"[engine]\n{made}")
    before = home.configuration.read_bytes()
    with pytest.raises(SystemExit) as ended:
        main(["demo", "--alone", "--engine", asked, "--port", str(port), "--home", str(home.path)])
    assert ended.value.code == 1
    told = capsys.readouterr().err
    assert "is configured with the engine" in told
    assert "Choose another home" in told
    assert home.configuration.read_bytes() == before
    assert not list(home.datasets.rglob("*.parquet"))
