"""One batch of a cohort's records, encoded by the data model, as kernels see it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from medmip.fold.statistic import CodeArray, FloatArray, IntArray

if TYPE_CHECKING:
    from medmip.fold.adjustment import Adjustment
    from medmip.fold.design import Design

_ODD = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: Knuth, The Art of Computer Programming 3, 6.4."""
_MOST_SCORES, _SCORE = 4, 36
"""Scores of a record, with their derivatives and places in trees, that a block has room for; and
the bytes of each: a score (8), what is summed of it (up to three words), a place (4)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Which column of a block holds which variable.

    numeric and nominal are variable codes in column order; levels are the codes of each
    nominal variable's levels, in the data model's order.
    """

    numeric: tuple[str, ...]
    nominal: tuple[str, ...]
    levels: tuple[tuple[str, ...], ...]

    @property
    def full_width(self) -> int:
        """The columns of a design of all variables, with an indicator for every level."""
        return len(self.numeric) + sum(len(levels) for levels in self.levels)

    def levels_of(self, variable: str) -> tuple[str, ...]:
        """The levels of a nominal variable, in the data model's order."""
        return self.levels[self.nominal.index(variable)]


@dataclass(frozen=True, eq=False)
class Block:
    """Up to some ten thousand records of a cohort.

    numeric is (n, k) float64, column-major, NaN where missing; codes is (n, m) int32,
    column-major, level indices, -1 where missing; dataset is (n,), an index into the cohort's
    datasets; patient is (n,), ascending and unique to a patient within the block, or None where
    every record is a patient of its own; group is (n,), the validation group of each record, or
    None where the cohort is not divided; key is (n,) uint64, by which random draws for a record
    are made, or None where there are none. adjustable says that what adjustments make of the
    block is remembered; origin is numeric as it was before any adjustment, or None where there was
    none. A patient's records never straddle two blocks.
    """

    layout: Layout
    numeric: FloatArray
    codes: CodeArray
    dataset: CodeArray
    patient: IntArray | None
    group: CodeArray | None = None
    key: NDArray[np.uint64] | None = None
    adjustable: bool = False
    origin: FloatArray | None = None
    _matrices: dict[object, FloatArray] = field(default_factory=dict, repr=False)
    _samples: dict[int, "Block"] = field(default_factory=dict, repr=False)
    _shares: dict[tuple[int, ...], "Block"] = field(default_factory=dict, repr=False)
    _derived: dict[str, tuple[object, NDArray[Any]]] = field(default_factory=dict, repr=False)
    _adjusted: list[tuple[tuple["Adjustment", ...], "Block"]] = field(
        default_factory=list, repr=False
    )

    @property
    def records(self) -> int:
        return len(self.dataset)

    @property
    def patients(self) -> int:
        if self.patient is None:
            return self.records
        return int(np.count_nonzero(np.diff(self.patient))) + 1 if self.records else 0

    @property
    def nbytes(self) -> int:
        size = self.numeric.nbytes + self.codes.nbytes + self.dataset.nbytes
        size += 0 if self.patient is None else self.patient.nbytes
        size += 0 if self.key is None else self.key.nbytes
        return size + (0 if self.group is None else self.group.nbytes)

    @property
    def full_size(self) -> int:
        """Its bytes with all it may remember: matrix, derived arrays, share, adjusted copies."""
        size = self.nbytes + self._room + self._derived_room
        return size * (1 if self.group is None else 2) * (2 if self.adjustable else 1)

    @property
    def _room(self) -> int:
        return 8 * self.records * self.layout.full_width if self.layout.nominal else 0

    @property
    def _derived_room(self) -> int:
        columns = len(self.layout.numeric) + len(self.layout.nominal)
        scores = max((len(levels) for levels in self.layout.levels), default=1)
        return self.records * (columns + _SCORE * min(scores, _MOST_SCORES))

    def column(self, variable: str) -> FloatArray:
        """The values of a numeric variable, (n,), NaN where missing."""
        return self.numeric[:, self.layout.numeric.index(variable)]

    def levels(self, variable: str) -> CodeArray:
        """The level indices of a nominal variable, (n,), -1 where missing."""
        return self.codes[:, self.layout.nominal.index(variable)]

    def cells(self, codes: CodeArray | IntArray, size: int) -> IntArray:
        """The number of patients in each of `size` cells; codes is (n,), -1 for no cell."""
        chosen = codes >= 0
        if self.patient is None:
            return np.bincount(codes[chosen], minlength=size).astype(np.int64)
        pairs = self.patient[chosen].astype(np.int64) * size + codes[chosen]
        return np.bincount(np.unique(pairs) % size, minlength=size).astype(np.int64)

    def matrix(self, design: "Design") -> FloatArray:
        """The design matrix of this block, (n, p) float64, column-major, without intercept."""
        plain = design.numeric_only
        if plain is not None:
            start = self.layout.numeric.index(plain[0]) if plain else 0
            if self.layout.numeric[start : start + len(plain)] == plain:
                return self.numeric[:, start : start + len(plain)]
        known = self._matrices.get(design)
        if known is None:
            known = design.encode(self)
            self._matrices.clear()
            # Of many products, a matrix may outgrow what the cache of blocks has counted.
            if known.nbytes <= self._room:
                self._matrices[design] = known
        return known

    def sample(self, share: int) -> "Block":
        """About one in `share` of the records with numeric variables, whole and remembered.

        A record's own values, before any adjustment, decide whether it is chosen, so that the
        sample is the same however records are divided into blocks and among sites.
        """
        known = self._samples.get(share)
        if known is None:
            values = self.numeric if self.origin is None else self.origin
            chosen = np.flatnonzero(_mixed(values) % np.uint64(share) == 0)
            known = self._samples[share] = self.only(chosen)
        return known

    def remembered(self, name: str) -> tuple[object, NDArray[Any]] | None:
        """What was last remembered by this name: its key and its values, not to be changed."""
        return self._derived.get(name)

    def remember(self, name: str, key: object, values: NDArray[Any]) -> None:
        """Keeps values that this block and the key determine, where there is room for them."""
        held = sum(kept.nbytes for other, (_, kept) in self._derived.items() if other != name)
        if held + values.nbytes <= self._derived_room:
            self._derived[name] = (key, values)

    def derived(self, name: str, key: object, made: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        """What is remembered by this name for this key, else made and remembered."""
        known = self._derived.get(name)
        if known is not None and (known[0] is key or known[0] == key):
            return known[1]
        values = made()
        self.remember(name, key, values)
        return values

    def share(self, groups: tuple[int, ...]) -> "Block":
        """The records of these groups; the latest share asked for is remembered."""
        known = self._shares.get(groups)
        if known is None:
            if self.group is None:
                raise ValueError("the cohort is not divided into groups")
            known = self.only(np.flatnonzero(np.isin(self.group, groups)))
            self._shares.clear()
            self._shares[groups] = known
        return known

    def adjusted(self, adjustments: tuple["Adjustment", ...]) -> "Block":
        """What adjustments, one after another, make of this block.

        The latest is remembered, so that one adjustment more costs that alone. Those that merely
        choose records are made anew.
        """
        done: tuple[Adjustment, ...] = ()
        block = self
        for known, remembered in self._adjusted:
            same = zip(known, adjustments, strict=False)
            if len(known) <= len(adjustments) and all(one is other for one, other in same):
                done, block = known, remembered
        for place, adjustment in enumerate(adjustments[len(done) :], len(done) + 1):
            block = adjustment.applied(block, self)
            if self.adjustable and all(part.lasting for part in adjustments[:place]):
                done = adjustments[:place]
                self._adjusted[:] = [(done, block)]
        return block

    def changed(
        self, numeric: Mapping[str, FloatArray], codes: Mapping[str, CodeArray] | None = None
    ) -> "Block":
        """The same records with other values of these variables; each column is (n,)."""
        numbers, levels = self.numeric, self.codes
        if numeric:
            numbers = self.numeric.copy(order="F")
            for variable, values in numeric.items():
                numbers[:, self.layout.numeric.index(variable)] = values
        if codes:
            levels = self.codes.copy(order="F")
            for variable, indices in codes.items():
                levels[:, self.layout.nominal.index(variable)] = indices
        return Block(
            self.layout,
            numbers,
            levels,
            self.dataset,
            self.patient,
            self.group,
            self.key,
            origin=self.numeric if self.origin is None else self.origin,
        )

    def only(self, chosen: IntArray) -> "Block":
        """The records at these places, (m,), ascending, without their division into groups."""
        return Block(
            self.layout,
            np.asfortranarray(self.numeric[chosen]),
            np.asfortranarray(self.codes[chosen]),
            self.dataset[chosen],
            None if self.patient is None else self.patient[chosen],
            None,
            None if self.key is None else self.key[chosen],
            adjustable=self.adjustable,
            origin=None if self.origin is None else self.origin[chosen],
        )


def hashed(block: Block) -> NDArray[np.uint64]:
    """A number of 32 well-mixed bits for each record, (n,), made of its own values alone."""
    values = block.numeric if block.origin is None else block.origin
    return _mixed(np.column_stack([values, block.codes.astype(np.float64)]))


def _mixed(values: FloatArray) -> NDArray[np.uint64]:
    """A number of 32 well-mixed bits for each row of (n, k), by multiplicative hashing."""
    mixed = np.zeros(len(values), dtype=np.uint64)
    for column in np.ascontiguousarray(values.T).view(np.uint64):
        mixed ^= column
        mixed *= _ODD
        mixed ^= mixed >> np.uint64(29)
    return mixed >> np.uint64(32)
