"""What a fitted model is: it predicts an outcome of records that it has not seen."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.special import expit, log_expit, softmax

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.transform import Transform
from medmip.fold.weights import Offset


class Target(BaseModel):
    """The classes that a nominal outcome is told by; levels are the outcome's in each class."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]

    @classmethod
    def each(cls, levels: Sequence[str]) -> "Target":
        """Every level is a class of its own."""
        return cls(classes=tuple(levels), levels=tuple((level,) for level in levels))

    @classmethod
    def against_others(cls, positive: str, levels: Sequence[str]) -> "Target":
        """One level against all the others, which come first."""
        others = tuple(level for level in levels if level != positive)
        name = others[0] if len(others) == 1 else f"not {positive}"
        return cls(classes=(name, positive), levels=(others, (positive,)))

    def truth(self, block: Block, outcome: str) -> IntArray:
        """The class of each record, (n,); -1 where its level is in none."""
        places = np.full(len(block.layout.levels_of(outcome)) + 1, -1, dtype=np.int64)
        for index, levels in enumerate(self.levels):
            for level in levels:
                if level in block.layout.levels_of(outcome):
                    places[block.layout.levels_of(outcome).index(level)] = index
        found: IntArray = places[block.levels(outcome)]
        return found


class Model(BaseModel, ABC):
    """A fitted model; target is None where the outcome is a number."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    outcome: str
    target: Target | None = None

    @property
    @abstractmethod
    def variables(self) -> tuple[str, ...]:
        """The variables that a prediction needs."""

    @abstractmethod
    def predict(self, block: Block) -> FloatArray:
        """Expected values (n,), or the chances of the target's classes (n, classes).

        Not a number where a value is missing or a level was in no record of the training.
        """


class TermFactor(BaseModel):
    """A numeric variable, perhaps transformed, or the indicator of one level."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: str
    level: str | None = None
    transform: Transform | None = None

    def values(self, block: Block) -> FloatArray:
        """Its value for each record, (n,); not a number where missing."""
        if self.level is None:
            values = block.column(self.variable)
            return self.transform.of(values) if self.transform else values
        codes, levels = block.levels(self.variable), block.layout.levels_of(self.variable)
        held = codes == levels.index(self.level) if self.level in levels else np.zeros(len(codes))
        return np.where(codes < 0, np.nan, held)


class Term(BaseModel):
    """A product of factors, and its weight in each score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    factors: tuple[TermFactor, ...]
    weights: tuple[float, ...]


Link = Literal["identity", "log", "logit", "softmax", "cumulative", "one against rest"]


class LinearModel(Model):
    """Scores that are linear in the terms, and the link that makes predictions of them.

    identity and log: one score, of a number. logit: one score, of the second of two classes.
    softmax: a score for every class but the first, whose score is 0. cumulative: for every class
    but the last, the logit of the chance of that class or one before it. one against rest: a score
    for every class, the logit of its chance against all others; chances are shares of their sum.
    known are the levels of each nominal variable that the training held.
    """

    kind: Literal["linear"] = "linear"
    link: Link
    intercepts: tuple[float, ...]
    terms: tuple[Term, ...]
    known: dict[str, tuple[str, ...]]

    @classmethod
    def of(
        cls,
        outcome: str,
        link: Link,
        design: Design,
        intercepts: FloatArray,
        weights: FloatArray,
        known: Mapping[str, tuple[str, ...]],
        target: Target | None = None,
        offset: Offset | None = None,
    ) -> "LinearModel":
        """The model of a design's p columns with weights (p, scores) and intercepts (scores,).

        offset is added to every score.
        """
        terms = tuple(
            Term(
                factors=tuple(
                    TermFactor(
                        variable=factor.variable,
                        level=factor.level_code,
                        transform=factor.transform,
                    )
                    for factor in column.factors
                ),
                weights=tuple(row),
            )
            for column, row in zip(design.columns, weights.tolist(), strict=True)
        )
        if offset is not None:
            factor = TermFactor(variable=offset.variable, transform=offset.transform)
            terms = (*terms, Term(factors=(factor,), weights=(1.0,) * len(intercepts)))
        return cls(
            outcome=outcome,
            target=target,
            link=link,
            intercepts=tuple(np.asarray(intercepts, dtype=float).tolist()),
            terms=terms,
            known=dict(known),
        )

    @property
    def variables(self) -> tuple[str, ...]:
        named = [factor.variable for term in self.terms for factor in term.factors]
        return tuple(dict.fromkeys([*named, *self.known]))

    def predict(self, block: Block) -> FloatArray:
        scores = np.tile(np.array(self.intercepts), (block.records, 1))
        for term in self.terms:
            first, *others = term.factors
            values = first.values(block)
            for factor in others:
                values = values * factor.values(block)
            scores += values[:, None] * np.array(term.weights)
        for variable, levels in self.known.items():
            unknown = np.array(
                [*(level not in levels for level in block.layout.levels_of(variable)), True]
            )
            scores[unknown[block.levels(variable)]] = np.nan
        with np.errstate(over="ignore"):
            return self._linked(scores)

    def _linked(self, scores: FloatArray) -> FloatArray:
        match self.link:
            case "identity":
                return scores[:, 0]
            case "log":
                values: FloatArray = np.exp(scores[:, 0])
                return values
            case "logit":
                return np.column_stack([expit(-scores[:, 0]), expit(scores[:, 0])])
            case "softmax":
                whole: FloatArray = softmax(
                    np.column_stack([np.zeros(len(scores)), scores]), axis=1
                )
                return whole
            case "cumulative":
                upto = np.column_stack([expit(scores), np.ones(len(scores))])
                return np.diff(upto, axis=1, prepend=0.0)
            case "one against rest":
                # Of the logarithms, so that chances that are all next to nothing have shares too.
                shares: FloatArray = softmax(log_expit(scores), axis=1)
                return shares


def known_levels(design: Design, cells: IntArray) -> dict[str, tuple[str, ...]]:
    """The levels of each nominal variable that somebody has; cells (p,) as the design's columns."""
    known: dict[str, list[str]] = {}
    for column, patients in zip(design.columns, cells, strict=True):
        factor = column.factors[0]
        if len(column.factors) == 1 and factor.level_code is not None and patients > 0:
            known.setdefault(factor.variable, []).append(factor.level_code)
    return {variable: tuple(levels) for variable, levels in known.items()}
