"""Which variables a choice of datasets and hospitals has: any of them, or all of them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.experiments.shelf import Held
from medmip.federation.sites import Holding, SiteStatus


@dataclass(frozen=True)
class Available:
    """A variable of a model, and the chosen datasets that have it; everywhere: all of them.

    differs names the hospitals that define it otherwise, where it cannot be analysed.
    """

    model: DataModel
    variable: Variable
    held: tuple[Held, ...]
    everywhere: bool
    differs: tuple[str, ...]


def chosen(held: Sequence[Held], datasets: Collection[str], sites: Collection[str]) -> list[Held]:
    """Those datasets that are named, of hospitals that are named; all, where nothing is."""
    return [
        part
        for part in held
        if (not datasets or part.dataset in datasets) and (not sites or site_of(part) in sites)
    ]


def available(
    models: Sequence[DataModel], held: Sequence[Held], statuses: Sequence[SiteStatus]
) -> Iterator[Available]:
    """Every variable that any of these datasets has, in the order of models and their trees."""
    differing = _differing(statuses)
    for model in models:
        mine = [part for part in held if part.model == model.key]
        sets = [frozenset(part.variables) for part in mine]
        for code, variable in model.all_variables.items():
            places = tuple(part for part, known in zip(mine, sets, strict=True) if code in known)
            if not places:
                continue
            names = differing.get((model.key, code), ())
            differs = tuple(name for name in names if name in {site_of(part) for part in places})
            everywhere = len(places) == len(mine) and not differs
            yield Available(model, variable, places, everywhere, differs)


def site_of(part: Held) -> str:
    """The hospital that holds a dataset, empty where it lies here."""
    return part.site if isinstance(part, Holding) else ""


def _differing(statuses: Sequence[SiteStatus]) -> Mapping[tuple[str, str], list[str]]:
    found: dict[tuple[str, str], list[str]] = {}
    for status in statuses:
        for part in status.differences:
            for code in part.variables:
                found.setdefault((part.model, code), []).append(status.name)
    return found
