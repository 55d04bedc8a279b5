"""The synthetic datasets for an installation: `python -m medmip.deploy.reference HOME`.

Prints a line for each that was brought in; those that are there stay as they are.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import shipped_models
from medmip.demo.cohorts import MODEL, write_demo_csvs
from medmip.ingest.publish import bring_in


def bring_in_references(home: Home) -> list[str]:
    """Publishes the synthetic datasets that are not there yet, and names them."""
    home.prepare()
    model = next(model for model in shipped_models() if model.key == MODEL)
    there = set(home.published(MODEL))
    with TemporaryDirectory() as folder:
        missing = [path for path in write_demo_csvs(Path(folder)) if path.stem not in there]
        for path in missing:
            bring_in(home, path, model, synthetic=True)
        return [path.stem for path in missing]


if __name__ == "__main__":
    sys.stdout.writelines(f"{name}\n" for name in bring_in_references(Home(Path(sys.argv[1]))))
