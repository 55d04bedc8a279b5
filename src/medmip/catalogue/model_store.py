"""The data models of one installation: those it was given, and the shipped ones."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.cdes import read_cdes, write_cdes
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.errors import CatalogueError, ModelExists, ModelInUse, UnknownModel
from medmip.catalogue.extension import extended
from medmip.catalogue.home import Home


@lru_cache(maxsize=1)
def shipped_models() -> tuple[DataModel, ...]:
    """The data models that come with the software, by key."""
    found = files("medmip.catalogue.shipped").iterdir()
    models = [
        read_cdes(file.read_bytes(), file.name) for file in found if file.name.endswith(".json")
    ]
    return tuple(sorted(models, key=lambda model: model.key))


class ModelStore:
    """Data models as files `models/<code>_<version>.json` of a home, and the shipped ones."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._read: dict[Path, tuple[tuple[int, int], DataModel]] = {}

    def add(self, model: DataModel, replace: bool = False) -> DataModel:
        """Keep a model; the same model again changes nothing.

        Raises CatalogueError where the model breaks the format, ModelExists where another one
        has its key and replace is False, ModelInUse where that one has published datasets.
        """
        text = write_cdes(model)
        read_cdes(text, model.key)
        kept = self._kept()
        if model.extends:
            _resolved(model.key, kept | {model.key: model}, ())
        present = kept.get(model.key)
        if present == model:
            return model
        if present and not replace:
            raise ModelExists(
                f"There is another data model {model.key} already.",
                remedy="Give the model a new version, or replace the one that is there.",
            )
        if present:
            self._refuse_in_use(model.key, "replaced")
        self.home.models.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_atomically(self._file(model), text.encode())
        return model

    def get(self, key: str) -> DataModel:
        """The model of a key such as `dementia:1.0`; raises UnknownModel, with the nearest keys."""
        models = self._all()
        if key in models:
            return models[key]
        near = get_close_matches(key, models, n=3)
        known = ", ".join(models)
        raise UnknownModel(
            f"There is no data model “{key}”.",
            remedy=f"Did you mean {' or '.join(near)}?" if near else f"There are: {known}.",
        )

    def list(self) -> "list[DataModel]":
        """All models, by key."""
        return list(self._all().values())

    def export(self, key: str) -> str:
        """The text of the model's CDEsMetadata.json, with what it extends; raises UnknownModel.

        So it can be added wherever MIP runs, without the model that it extends.
        """
        return write_cdes(self.get(key).model_copy(update={"extends": ""}))

    def remove(self, key: str) -> None:
        """Forget a model; raises UnknownModel, or ModelInUse while datasets are published under it.

        A shipped model stays; where it was replaced, the shipped one is back.
        """
        file = self._file(self.get(key))
        if not file.exists():
            raise ModelInUse(f"The data model {key} comes with the software and stays.")
        self._refuse_in_use(key, "removed")
        extensions = [model.key for model in self._kept().values() if model.extends == key]
        if extensions and key not in {model.key for model in shipped_models()}:
            raise ModelInUse(
                f"The data model {key} cannot be removed: {', '.join(extensions)} extends it.",
                remedy="Remove the extension first.",
            )
        file.unlink()

    def _refuse_in_use(self, key: str, done: str) -> None:
        kept = self._kept()
        concerned = [name for name in kept if key in _ancestry(name, kept)]
        datasets = [code for name in concerned for code in self.home.published(name)]
        if datasets:
            raise ModelInUse(
                f"The data model {key} cannot be {done}: it has the published"
                f" dataset{'s' if len(datasets) > 1 else ''} {', '.join(datasets)}.",
                remedy="Remove the datasets first, or add the model under a new version.",
            )

    def _all(self) -> dict[str, DataModel]:
        """Every model whole, with what it extends."""
        kept = self._kept()
        return {key: _resolved(key, kept, ()) for key in kept}

    def _kept(self) -> dict[str, DataModel]:
        """Every model as its file has it: of an extension only what it adds."""
        models = {model.key: model for model in shipped_models()}
        for file in self.home.models.glob("*_*.json"):
            model = self._model_in(file)
            models[model.key] = model
        return {key: models[key] for key in sorted(models)}

    def _model_in(self, file: Path) -> DataModel:
        status = file.stat()
        stamp = (status.st_ino, status.st_mtime_ns)
        known = self._read.get(file)
        if known is None or known[0] != stamp:
            known = (stamp, read_cdes(file.read_bytes(), file.name))
            self._read[file] = known
        return known[1]

    def _file(self, model: DataModel) -> Path:
        # a version holds no underscore, so the name tells code and version apart
        return self.home.models / f"{model.code}_{model.version}.json"


def _ancestry(key: str, kept: Mapping[str, DataModel]) -> tuple[str, ...]:
    """A model's key, and those of all that it extends."""
    seen: list[str] = []
    while key in kept and key not in seen:
        seen.append(key)
        key = kept[key].extends
    return tuple(seen)


def _resolved(key: str, kept: Mapping[str, DataModel], below: tuple[str, ...]) -> DataModel:
    model = kept[key]
    if not model.extends:
        return model
    if model.extends in (*below, key):
        raise CatalogueError(
            f"{key} extends itself, by way of {model.extends}.", remedy="Extend another model."
        )
    if model.extends not in kept:
        raise CatalogueError(
            f"{key} extends {model.extends}, which is not there.",
            remedy=f"Add {model.extends} first.",
        )
    return extended(model, _resolved(model.extends, kept, (*below, key)))
