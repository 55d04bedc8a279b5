"""Replaces a model by itself with another label, again and again, until it is killed."""

import sys
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore, shipped_models

store = ModelStore(Home(Path(sys.argv[1])))
model = shipped_models()[0]
print("ready", flush=True)
while True:
    for label in ("even", "odd"):
        store.add(model.model_copy(update={"label": label}), replace=True)
