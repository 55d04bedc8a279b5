"""An import killed at any change that it makes has published every dataset of its file, or none."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from medmip.store.snapshots import Datasets
from tests.store.models import MODEL

ROOT = Path(__file__).parents[2]


def written(path: Path, number: int) -> Path:
    """A file of two datasets that is like no other number's."""
    rows = [
        f"p{index},{index % 90},{number}.5,{'FM'[index % 2]},{('north', 'south')[index % 2]}"
        for index in range(40)
    ]
    path.write_text("\n".join(["subjectcode,age,volume,gender,dataset", *rows, ""]))
    return path


def test_a_killed_import_published_all_of_its_file_or_nothing(home, tmp_path):
    sources, ends = [None], []
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.killed_importer", str(home.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])},
    ) as importer:
        while not ends or ends[-1] == -signal.SIGKILL:
            file = written(tmp_path / f"{len(ends)}.csv", len(ends))
            importer.stdin.write(f"{file} {len(ends) + 1}\n")
            importer.stdin.flush()
            ends.append(int(importer.stdout.readline()))
            found = {snapshot.dataset: snapshot for snapshot in Datasets(home).list(MODEL.key)}
            if found:
                assert set(found) == {"north", "south"}
                north, south = found.values()
                assert (north.source, north.version) == (south.source, south.version)
                assert north.source in (sources[-1], file.name)
                sources.append(north.source)
                for snapshot in found.values():
                    Datasets(home).verify(snapshot)
            else:
                assert sources == [None]
        importer.stdin.close()
    assert ends[-1] == 0
    assert len(ends) > 5, ends
    assert sources[-1] == f"{len(ends) - 1}.csv"
    assert not (home.datasets / "commit.json").exists()
    for name in ("north", "south"):
        kept = {f"{version.hash}.parquet" for version in Datasets(home).versions(MODEL.key, name)}
        folder = home.dataset_folder(MODEL.key, name)
        assert {file.name for file in folder.iterdir()} == {"published.json", *kept}
