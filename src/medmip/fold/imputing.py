"""Missing values filled in: by one value, by what others predict, or by random draws."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from scipy.special import ndtri, softmax

from medmip.fold.adjustment import Step
from medmip.fold.block import Block
from medmip.fold.statistic import (
    CodeArray,
    FloatArray,
    IntArray,
    Rank,
    Statistic,
    count_with,
)

KeyArray = NDArray[np.uint64]


@dataclass(frozen=True)
class GapState:
    """The k variables whose missing values are counted."""

    variables: tuple[str, ...]


@dataclass(frozen=True)
class Gaps(Statistic):
    """Patients with and without a value, (k, 2); the same for decisions that no result shows."""

    patients: Annotated[IntArray, count_with((1,))]
    steering: Rank


def gaps(block: Block, state: GapState) -> Gaps:
    """Patients of one block with and without a value of each variable."""
    counts = np.zeros((len(state.variables), 2), dtype=np.int64)
    for index, variable in enumerate(state.variables):
        counts[index] = block.cells(missing_in(block, variable).astype(np.int64), 2)
    return Gaps(counts, counts)


def missing_in(block: Block, variable: str) -> NDArray[np.bool_]:
    """Which records have no value of a variable, (n,)."""
    if variable in block.layout.numeric:
        return np.isnan(block.column(variable))
    return block.levels(variable) < 0


class Fill(BaseModel):
    """What stands for a missing value: a number, or a level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    number: float | None = None
    level: str | None = None


class Filled(Step):
    """Missing values replaced by one value of each variable."""

    kind: Literal["filled"] = "filled"
    values: tuple[Fill, ...]

    def applied(self, block: Block, raw: Block) -> Block:  # noqa: ARG002
        numbers: dict[str, FloatArray] = {}
        levels: dict[str, CodeArray] = {}
        for part in self.values:
            missing = missing_in(block, part.variable)
            if not missing.any():
                continue
            number = np.nan if part.number is None else part.number
            if part.level is None:
                numbers[part.variable] = np.where(missing, number, block.column(part.variable))
            else:
                known = block.layout.levels_of(part.variable)
                code = known.index(part.level) if part.level in known else -1
                levels[part.variable] = np.where(missing, code, block.levels(part.variable))
        return block.changed(numbers, levels)

    @property
    def reads(self) -> tuple[str, ...]:
        return self.fills

    @property
    def fills(self) -> tuple[str, ...]:
        return tuple(part.variable for part in self.values)

    def only(self, variables: Iterable[str]) -> "Filled | None":
        wanted = set(variables)
        kept = tuple(part for part in self.values if part.variable in wanted)
        return Filled(values=kept) if kept else None


class Weight(BaseModel):
    """A numeric variable less a centre, or the indicator of a level less its share, in a score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    level: str | None = None
    centre: float
    weights: tuple[float, ...]


class LinearScores(BaseModel):
    """Scores that are linear in variables.

    A level that was in no record of the estimate counts as its variable's reference.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    intercepts: tuple[float, ...]
    terms: tuple[Weight, ...] = ()

    def scores(self, block: Block) -> FloatArray:
        """The scores of each record, (n, scores); not a number where a variable is missing."""
        # Term by term: a matrix product may round differently in another block.
        scores = np.tile(np.array(self.intercepts), (block.records, 1))
        for term in self.terms:
            if term.level is None:
                values = block.column(term.variable) - term.centre
            else:
                known, codes = block.layout.levels_of(term.variable), block.levels(term.variable)
                held = np.zeros(block.records)
                if term.level in known:
                    held = (codes == known.index(term.level)).astype(float)
                values = np.where(codes < 0, np.nan, held - term.centre)
            scores += values[:, None] * np.array(term.weights)
        return scores

    @property
    def others(self) -> tuple[str, ...]:
        """The variables that the scores are made of."""
        return tuple(dict.fromkeys(term.variable for term in self.terms))


class Conditional(LinearScores):
    """How a variable goes with others: its expected number, or its levels' chances.

    A number's score is its expectation. Of k levels there are k - 1 scores: the log odds of each
    level but the first against the first; a single level has none.
    """

    variable: str
    levels: tuple[str, ...] = ()

    def chances(self, block: Block) -> FloatArray:
        """The levels' chances for each record, (n, levels)."""
        scores = self.scores(block)
        whole: FloatArray = softmax(np.column_stack([np.zeros(len(scores)), scores]), axis=1)
        return whole

    def codes(self, block: Block, chosen: IntArray) -> CodeArray:
        """The block's codes of the levels at these indices, (n,)."""
        known = block.layout.levels_of(self.variable)
        places = [known.index(level) if level in known else -1 for level in self.levels]
        return np.array(places, dtype=np.int32)[chosen]


class Regressed(Step):
    """Missing values replaced by what the other variables predict: a number, the likeliest level.

    All predictions are made of the records as they are before this step.
    """

    kind: Literal["regressed"] = "regressed"
    models: tuple[Conditional, ...]

    def applied(self, block: Block, raw: Block) -> Block:
        numbers: dict[str, FloatArray] = {}
        levels: dict[str, CodeArray] = {}
        for model in self.models:
            rows = np.flatnonzero(missing_in(raw, model.variable))
            if not len(rows):
                continue
            part = block.only(rows)
            if model.levels:
                codes = block.levels(model.variable).copy()
                codes[rows] = model.codes(block, model.chances(part).argmax(axis=1))
                levels[model.variable] = codes
            else:
                values = block.column(model.variable).copy()
                values[rows] = model.scores(part)[:, 0]
                numbers[model.variable] = values
        return block.changed(numbers, levels)

    @property
    def reads(self) -> tuple[str, ...]:
        named = [code for model in self.models for code in (model.variable, *model.others)]
        return tuple(dict.fromkeys(named))

    @property
    def fills(self) -> tuple[str, ...]:
        return tuple(model.variable for model in self.models)

    def only(self, variables: Iterable[str]) -> "Regressed | None":
        wanted = set(variables)
        kept = tuple(model for model in self.models if model.variable in wanted)
        return Regressed(models=kept) if kept else None


class Drawn(Step):
    """One variable's missing values drawn at random about what the others predict.

    deviation is that of a number about its expectation. A record's draw rests on its key and on
    name alone, so that it is the same in whichever block or site the record is.
    """

    kind: Literal["drawn"] = "drawn"
    name: str
    model: Conditional
    deviation: float = 0.0

    def applied(self, block: Block, raw: Block) -> Block:
        variable = self.model.variable
        rows = np.flatnonzero(missing_in(raw, variable))
        if not len(rows):
            return block
        if block.key is None:
            raise ValueError("the cohort's records have no keys to draw by")
        part = block.only(rows)
        draws = uniform(block.key[rows], self.name)
        if self.model.levels:
            upto = np.cumsum(self.model.chances(part)[:, :-1], axis=1)
            codes = block.levels(variable).copy()
            codes[rows] = self.model.codes(block, (draws[:, None] > upto).sum(axis=1))
            return block.changed({}, {variable: codes})
        values = block.column(variable).copy()
        values[rows] = self.model.scores(part)[:, 0] + self.deviation * ndtri(draws)
        return block.changed({variable: values})

    @property
    def reads(self) -> tuple[str, ...]:
        return (self.model.variable, *self.model.others)

    @property
    def fills(self) -> tuple[str, ...]:
        return (self.model.variable,)

    def only(self, variables: Iterable[str]) -> "Drawn | None":
        return self if self.model.variable in set(variables) else None


def uniform(key: KeyArray, name: str) -> FloatArray:
    """A number between 0 and 1 for each key, (n,), well mixed and the same for the same name.

    Source: Steele, Lea & Flood, Fast Splittable Pseudorandom Number Generators, OOPSLA 2014
    (the finaliser of SplitMix64).
    """
    start = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], dtype="<u8").astype(np.uint64)
    mixed: KeyArray = key ^ start
    for _ in range(2):
        mixed = mixed + np.uint64(0x9E3779B97F4A7C15)
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
    whole: FloatArray = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return whole
