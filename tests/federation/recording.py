"""What every algorithm asks and is answered, recorded while it runs on a made-up cohort."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from medmip.algorithms.registry import registry
from medmip.authoring.analysis import OPEN, cohort_of, model_of
from medmip.authoring.check import Trial
from medmip.experiments.preparation import Preparation, analysed
from medmip.experiments.validate import Folds, validated
from medmip.federation.question import Question
from medmip.fold.adjustment import Adjustment
from medmip.fold.cohort import Cohort, CohortSize, Transport
from medmip.store.engine import Partition

LEVELS = {"c1": ("a", "b"), "c2": ("k", "l", "m"), "c3": ("s", "t")}


@dataclass(frozen=True)
class Asked:
    """One round: the question and what was answered."""

    algorithm: str
    question: Question[Any, Any]
    answer: Any


@dataclass(frozen=True)
class Recorder:
    """A transport that keeps what it carries."""

    transport: Transport
    algorithm: str
    rounds: list[Asked] = field(default_factory=list)
    adjustments: tuple[Adjustment, ...] = ()

    def fold(self, kernel: Callable[..., Any], state: Any, cells: Sequence[str]) -> Any:
        answer = self.transport.fold(kernel, state, cells)
        road = replace(Question(kernel, state).road, adjustments=self.adjustments)
        question = Question(kernel, state, tuple(cells), road)
        self.rounds.append(Asked(self.algorithm, question, answer))
        return answer

    def share(self, groups: tuple[int, ...]) -> tuple["Recorder", CohortSize]:
        transport, size = self.transport.share(groups)
        return replace(self, transport=transport), size

    def adjusted(self, adjustments: tuple[Adjustment, ...]) -> "Recorder":
        return replace(
            self,
            transport=self.transport.adjusted(adjustments),
            adjustments=(*self.adjustments, *adjustments),
        )


@cache
def asked_by(name: str) -> list[Asked]:
    """Every round of an algorithm's run on a generated cohort."""
    algorithm = registry()[name]
    trial = Trial.of(algorithm)
    cohort, recorder = _recorded(trial, name)
    algorithm.run(cohort, algorithm.parameters(**trial.parameters))
    return recorder.rounds


@cache
def asked_by_the_rest() -> list[Asked]:
    """Rounds of every preparation, of multiple imputations, and of validation."""
    algorithm = registry()["linear_regression"]
    trial = Trial.of(algorithm)
    holed = dict(trial.data)
    holed["v2"] = holed["v2"].copy()
    holed["v2"][::7] = float("nan")
    trial = replace(trial, data=holed, x=("v2", "c1"))
    known = model_of(holed, LEVELS).all_variables
    rounds: list[Asked] = []
    for method in ("mean", "regression", "multiple"):
        preparation = Preparation.model_validate(
            {
                "imputation": {"method": method, "imputations": 2, "iterations": 1},
                "combat": {"batch": "c2"},
                "standardise": {},
            }
        )
        cohort, recorder = _recorded(trial, "linear_regression", preparation=preparation)
        analysed(cohort, algorithm, algorithm.parameters(), preparation, known)
        rounds += recorder.rounds
    for name in ("linear_regression", "logistic_regression"):
        trial = Trial.of(registry()[name])
        asked = Folds(folds=3)
        partition = Partition(3, 1, "subjectcode")
        cohort, recorder = _recorded(trial, name, partition=partition)
        parameters = registry()[name].parameters(**trial.parameters)
        validated(cohort, registry()[name], parameters, asked)
        rounds += recorder.rounds
    return rounds


def _recorded(trial: Trial, name: str, **options: Any) -> tuple[Cohort, Recorder]:
    cohort = cohort_of(
        trial.data,
        y=trial.y,
        x=trial.x,
        missing=trial.algorithm.missing,
        levels=LEVELS,
        policy=OPEN,
        datasets=["one", "two"],
        **options,
    )
    recorder = Recorder(cohort.transport, name)
    return replace(cohort, transport=recorder), recorder
