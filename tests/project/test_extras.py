"""The server and the commands of a deployment begin without the extras that measure or compute."""

import subprocess
import sys

EXTRA = ("SimpleITK", "dipy", "nilearn", "distributed", "dask", "acme", "josepy", "pgserver")
PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({EXTRA!r}))
import medmip.cli.main
import medmip.cli.serve
import medmip.deploy.playbook
import medmip.imaging.adding
import medmip.imaging.receiver
import medmip.web.application
"""


def test_the_server_begins_without_extras() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
