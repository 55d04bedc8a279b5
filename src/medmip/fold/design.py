"""The design matrix: numeric columns, indicators of levels, products; decided by the data model."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from medmip.catalogue.variable import Variable
from medmip.fold.block import Block
from medmip.fold.statistic import FloatArray, IntArray
from medmip.fold.transform import Transform


@dataclass(frozen=True, slots=True)
class Factor:
    """A numeric variable (level None), perhaps transformed, or the indicator of one level."""

    variable: str
    level: int | None = None
    level_code: str | None = None
    transform: Transform | None = None

    @property
    def is_plain(self) -> bool:
        return self.level is None and self.transform is None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the design: the product of its factors; term is the index of its term."""

    factors: tuple[Factor, ...]
    label: str
    term: int

    @property
    def is_indicator(self) -> bool:
        return all(factor.level is not None for factor in self.factors)

    def held(self, block: Block) -> NDArray[np.bool_]:
        """Which records have every level that this column is of, (n,)."""
        held = np.ones(block.records, dtype=np.bool_)
        for factor in self.factors:
            if factor.level is not None:
                held &= block.levels(factor.variable) == factor.level
        return held


@dataclass(frozen=True)
class Design:
    """The columns that a block is encoded into, the same at every site.

    A full design holds an indicator for every level of a nominal variable; an analysis drops
    reference levels and empty ones by `select`, once the counts are known.
    """

    terms: tuple[tuple[str, ...], ...]
    columns: tuple[Column, ...]

    @classmethod
    def full(
        cls,
        variables: Sequence[Variable],
        levels: dict[str, tuple[str, ...]],
        interactions: Iterable[Sequence[str]] = (),
        transforms: Mapping[str, Transform] | None = None,
        curves: Mapping[str, Sequence[Transform]] | None = None,
    ) -> "Design":
        """A column for each numeric variable, level, and combination of an interaction's levels.

        levels gives each nominal variable's level codes in the data model's order; transforms,
        what numeric variables go through; curves, of what each of them has further columns.
        """
        transforms, curves = transforms or {}, curves or {}
        by_code = {variable.code: variable for variable in variables}
        terms: list[tuple[str, ...]] = [(variable.code,) for variable in variables]
        terms += [tuple(interaction) for interaction in interactions]
        columns = []
        for index, term in enumerate(terms):
            choices = [_factors(by_code[code], levels, transforms, curves) for code in term]
            for factors in product(*choices):
                label = ":".join(_label(factor) for factor in factors)
                columns.append(Column(factors, label, index))
        return cls(tuple(terms), tuple(columns))

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(column.label for column in self.columns)

    @cached_property
    def numeric_only(self) -> tuple[str, ...] | None:
        """The variables, where every column is a plain numeric variable; else None."""
        if all(len(column.factors) == 1 and column.factors[0].is_plain for column in self.columns):
            return tuple(column.factors[0].variable for column in self.columns)
        return None

    @cached_property
    def indicators(self) -> FloatArray:
        """1.0 where a column is an indicator, else 0.0; (p,)."""
        return np.array([float(column.is_indicator) for column in self.columns])

    @cached_property
    def with_levels(self) -> tuple[int, ...]:
        """The indices of the columns that some level is a factor of."""
        return tuple(
            index
            for index, column in enumerate(self.columns)
            if any(factor.level is not None for factor in column.factors)
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.terms, self.columns))

    def select(self, keep: Sequence[int]) -> "Design":
        """The same design with only the columns at these indices, in this order."""
        return Design(self.terms, tuple(self.columns[index] for index in keep))

    def columns_of(self, term: int) -> list[int]:
        """The indices of the columns that belong to one term."""
        return [index for index, column in enumerate(self.columns) if column.term == term]

    def references(self, cells: IntArray) -> dict[str, str]:
        """Each nominal variable's reference: the first level that anybody has; cells is (p,)."""
        references: dict[str, str] = {}
        for column, patients in zip(self.columns, cells, strict=True):
            factor = column.factors[0]
            if len(column.factors) == 1 and factor.level_code is not None and patients > 0:
                references.setdefault(factor.variable, factor.level_code)
        return references

    def estimable(self, cells: IntArray) -> list[int]:
        """The columns that a model with intercept can estimate.

        cells (p,) is the number of patients behind each column. Reference levels drop out, and
        so do levels and combinations that nobody has.
        """
        references = self.references(cells)
        return [
            index
            for index, column in enumerate(self.columns)
            if cells[index] > 0
            and not any(
                factor.level_code is not None
                and references.get(factor.variable) == factor.level_code
                for factor in column.factors
            )
        ]

    def encode(self, block: Block) -> FloatArray:
        """The design matrix of a block, (n, p) float64, column-major; NaN where missing."""
        out = np.empty((block.records, len(self.columns)), order="F")
        for index, column in enumerate(self.columns):
            first, *others = column.factors
            out[:, index] = _values(block, first)
            for factor in others:
                out[:, index] *= _values(block, factor)
        return out


def _factors(
    variable: Variable,
    levels: dict[str, tuple[str, ...]],
    transforms: Mapping[str, Transform],
    curves: Mapping[str, Sequence[Transform]],
) -> list[Factor]:
    if variable.is_numeric:
        chosen = (transforms.get(variable.code), *curves.get(variable.code, ()))
        return [Factor(variable.code, transform=transform) for transform in chosen]
    codes = levels[variable.code]
    return [Factor(variable.code, index, code) for index, code in enumerate(codes)]


def _label(factor: Factor) -> str:
    if factor.level is not None:
        return f"{factor.variable}[{factor.level_code}]"
    return factor.transform.label(factor.variable) if factor.transform else factor.variable


def _values(block: Block, factor: Factor) -> FloatArray:
    if factor.level is None:
        values = block.column(factor.variable)
        return factor.transform.of(values) if factor.transform else values
    codes = block.levels(factor.variable)
    held: FloatArray = (codes == factor.level).astype(np.float64)
    missing = codes < 0
    if missing.any():
        held[missing] = np.nan
    return held
