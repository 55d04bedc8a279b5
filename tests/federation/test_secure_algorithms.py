"""Every algorithm over hospitals whose statistics are added up under masks."""

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import numpy as np
import pytest
from sqlalchemy import Engine

from medmip.algorithms.registry import registry
from medmip.authoring.analysis import ACCESS, OPEN, model_of, parts_of, site_of
from medmip.authoring.check import Trial
from medmip.catalogue.home import Home
from medmip.federation.in_process import open_cohort
from medmip.federation.run_keys import OnLoss
from medmip.federation.secure_sum import SecureSum
from medmip.federation.specification import CohortSpec
from medmip.fold.adjustment import Adjustment
from medmip.fold.block import Block
from medmip.fold.cohort import Cohort, CohortSize, Transport
from medmip.fold.shifted import Shifted
from medmip.fold.statistic import Statistic, field_kinds
from medmip.store.state import open_state
from tests.federation.exact import assert_exactly, told, unmasked
from tests.federation.parties import LocalParty, label

S = TypeVar("S", bound=Statistic)
LEVELS = {"c1": ("a", "b"), "c2": ("k", "l", "m"), "c3": ("s", "t")}
TOLERANCE = 1e-9


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    state = open_state(Home(tmp_path_factory.mktemp("home")).prepare())
    yield state
    state.dispose()


@dataclass(frozen=True)
class Question:
    kernel: Callable[..., Statistic]
    state: Any
    cells: Sequence[str]
    roads: tuple[Transport, ...]


@dataclass
class Secure:
    """The road over parties; every total is compared with the plain one and the unmasked one."""

    plain: Transport
    roads: tuple[Transport, ...]
    sums: SecureSum[Question]
    seen: list[str]

    def fold(self, kernel: Callable[[Block, Any], S], state: Any, cells: Sequence[str]) -> S:
        kind: type[S] = get_type_hints(kernel)["return"]
        found = told(self.sums.total(Question(kernel, state, cells, self.roads), kind))
        each = [road.fold(kernel, state, cells) for road in self.roads]
        assert_exactly(unmasked(kind, each), found)
        assert_near(self.plain.fold(kernel, state, cells), found, each)
        self.seen.append(kind.__name__)
        return found

    def share(self, groups: tuple[int, ...]) -> tuple["Secure", CohortSize]:
        plain, size = self.plain.share(groups)
        roads = tuple(road.share(groups)[0] for road in self.roads)
        return replace(self, plain=plain, roads=roads), size

    def adjusted(self, adjustments: tuple[Adjustment, ...]) -> "Secure":
        roads = tuple(road.adjusted(adjustments) for road in self.roads)
        return replace(self, plain=self.plain.adjusted(adjustments), roads=roads)


def assert_near(expected: S, found: S, each: Sequence[S]) -> None:
    """Equal within the tolerance, relative to the addends: sums that cancel keep their rounding."""
    assert type(expected) is type(found)
    if isinstance(expected, Shifted) and isinstance(found, Shifted):
        expected = expected.about(found.shift)
        each = [one.about(found.shift) for one in each if isinstance(one, Shifted)]
    for field, kind in field_kinds(type(expected)).items():
        one, other = getattr(expected, field), getattr(found, field)
        assert np.shape(one) == np.shape(other), field
        np.testing.assert_array_equal(np.ma.getmaskarray(one), np.ma.getmaskarray(other))
        one, other = np.ma.filled(one, 0), np.ma.filled(other, 0)
        if kind.counts or kind.combine != "add":
            np.testing.assert_array_equal(one, other)
        elif kind.tail is None:
            addends = [np.abs(np.ma.filled(getattr(part, field), 0)) for part in each]
            size = float(np.max(np.sum(addends, axis=0), initial=0.0))
            np.testing.assert_allclose(other, one, rtol=TOLERANCE, atol=TOLERANCE * size)


def differences(one: Any, other: Any, place: str = "result", scale: float = 0.0) -> list[str]:
    """The places where two results are further apart than the tolerance."""
    if isinstance(one, dict) and isinstance(other, dict):
        assert one.keys() == other.keys(), place
        return [far for key in one for far in differences(one[key], other[key], f"{place}.{key}")]
    if isinstance(one, list | tuple):
        assert len(one) == len(other), place
        scale = max((abs(part) for part in one if isinstance(part, float)), default=0.0)
        pairs = enumerate(zip(one, other, strict=True))
        return [far for i, (a, b) in pairs for far in differences(a, b, f"{place}[{i}]", scale)]
    if isinstance(one, float) and isinstance(other, float) and math.isfinite(one):
        near = math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE * max(scale, 1e-5))
        return [] if near else [f"{place}: {one} {other}"]
    same = one == other or (one != one and other != other)
    return [] if same else [f"{place}: {one} {other}"]


def secure_cohort(
    trial: Trial, sites: int, engine: Engine, seen: list[str]
) -> tuple[Cohort, Cohort]:
    """The trial's cohort over so many sites, added up plainly and securely."""
    levels = {code: values for code, values in LEVELS.items() if code in trial.data}
    model = model_of(trial.data, levels)
    rows = np.arange(len(trial.data["dataset"]))
    patients = trial.data.get("subjectid", rows)
    split = np.array_split(np.unique(patients), sites)
    parts = parts_of(trial.data, [np.flatnonzero(np.isin(patients, part)) for part in split])
    spec = CohortSpec(
        model,
        ("one", "two"),
        tuple(model.variable(code) for code in trial.y),
        tuple(model.variable(code) for code in trial.x),
        None,
        "keep" if trial.algorithm.missing == "keep" else "drop",
    )
    with tempfile.TemporaryDirectory() as folder:
        held = [site_of(Path(folder) / str(i), model, part, OPEN) for i, part in enumerate(parts)]
        whole = open_cohort(held, spec, ACCESS)
        roads = tuple(open_cohort([site], spec, ACCESS).transport for site in held)
    on_loss = OnLoss.FAIL if sites == 3 else OnLoss.CONTINUE
    parties = []
    for index in range(sites):

        def asked(question: Question, index: int = index) -> tuple[type[Statistic], Statistic]:
            kind = get_type_hints(question.kernel)["return"]
            road = question.roads[index]
            return kind, road.fold(question.kernel, question.state, question.cells)

        cohort = f"{trial.algorithm.name}-{sites}-{index}"
        parties.append(LocalParty(f"site{index}", engine, asked, cohort))
    transport = Secure(whole.transport, roads, SecureSum(label(on_loss), parties), seen)
    return whole, replace(whole, transport=transport)


@pytest.mark.parametrize("sites", [3, 4])
@pytest.mark.parametrize("name", sorted(registry()))
def test_every_round_gives_the_plain_total(name: str, sites: int, engine: Engine) -> None:
    trial = Trial.of(registry()[name])
    seen: list[str] = []
    plain, secure = secure_cohort(trial, sites, engine, seen)
    parameters = trial.algorithm.parameters(**trial.parameters)
    found = trial.algorithm.run(secure, parameters).model_dump()
    assert seen
    assert differences(trial.algorithm.run(plain, parameters).model_dump(), found) == []
