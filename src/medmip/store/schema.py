"""The newest schema of the state database that this version knows: `python -m medmip.store.schema`.

An older version cannot open a database of a newer schema.
"""

import sys
from importlib.resources import files

from alembic.config import Config
from alembic.script import ScriptDirectory


def migrations() -> Config:
    """Where Alembic finds the migrations."""
    config = Config()
    config.set_main_option("script_location", str(files("medmip.store") / "migrations"))
    return config


def newest() -> str:
    """The name of the newest migration."""
    return str(ScriptDirectory.from_config(migrations()).get_current_head())


if __name__ == "__main__":
    sys.stdout.write(f"{newest()}\n")
