"""Prints the OpenAPI document: `python -m medmip.web.openapi`; the portal's types come from it."""

import json
import sys
import tempfile
from pathlib import Path

from medmip.accounts.doorman import doorman_of
from medmip.catalogue.home import Home
from medmip.experiments.service import ExperimentService
from medmip.web.application import create_app


def document() -> str:
    """The OpenAPI document of the API, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder)).prepare()
        service = ExperimentService(home)
        try:
            app = create_app(service, doorman_of(home))
            return json.dumps(app.openapi(), indent=1, sort_keys=True) + "\n"
        finally:
            service.close()


if __name__ == "__main__":
    sys.stdout.write(document())
