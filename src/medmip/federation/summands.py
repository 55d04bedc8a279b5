"""A statistic as words that add up exactly, so that they may be masked; and back from totals.

What travels for a field, by its kind: a sum of floats as fixed-point numbers, those of one half
where it is symmetric; a double and its tail as one such number; counts as words of 64 bits; what
must be the same everywhere as halves of its floats' bits and a hash, both added up; minima and
maxima in clear, by consent.
A cell that the guard has hidden travels as random words beside a random flag: the total tells
that some site hides it, neither which nor how many, and nothing of what others have there.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from medmip.errors import MipError
from medmip.federation.fixed_point import (
    LIMBS,
    Adding,
    Words,
    added,
    decoded,
    decoded_counts,
    encoded,
    encoded_counts,
    negated,
)
from medmip.fold.statistic import FieldKind, FloatArray, IntArray, Statistic, field_kinds

S = TypeVar("S", bound=Statistic)
Shapes = tuple[tuple[int, ...], ...]
"""The shape of every field of a statistic, in order."""
Noise = Callable[[int], bytes]
"""Random bytes, so many of them, never the same again."""
BoolArray = NDArray[np.bool_]
_HALF = np.uint64(32)
_DIGEST = 4


class NotTheSame(MipError):
    """Sites answered differently where all must answer alike, or not in the same shapes."""

    title = "The sites' answers do not fit together"
    status = 502


@dataclass(frozen=True)
class Sums:
    """Fixed-point numbers (3, n) and counts (m,), added up word by word."""

    numbers: Words
    counts: Words

    @classmethod
    def of(cls, parts: Iterable["Sums"]) -> "Sums":
        """The sum of one or more, which need not be in memory together."""
        numbers = Adding()
        counts: Words | None = None
        for part in parts:
            numbers.add(part.numbers)
            counts = part.counts if counts is None else counts + part.counts
        if counts is None:
            raise ValueError("nothing was added")
        return cls(numbers.total(), counts)


@dataclass(frozen=True)
class Summands:
    """One site's statistic as it is added up; clear are its minima and maxima, in order."""

    shapes: Shapes
    sums: Sums
    clear: tuple[FloatArray, ...] = ()


def summands(statistic: Statistic, addends: int, noise: Noise, *, extremes: bool) -> Summands:
    """A released statistic as words, of which those of so many sites are added up.

    noise fills hidden cells; extremes says whether the policy lets minima and maxima travel in
    clear. Raises OutOfRange.
    """
    numbers: list[_Numbers] = []
    counts: list[Words] = [np.ones(1, dtype=np.uint64)]
    clear: list[FloatArray] = []
    kinds = field_kinds(type(statistic))
    for name, kind in kinds.items():
        value = getattr(statistic, name)
        hidden = _hidden(statistic, name, kind)
        if kind.combine in ("min", "max"):
            if not extremes:
                raise ValueError(f"{type(statistic).__name__}.{name} needs the policy's consent")
            clear.append(_told(value, kind, hidden))
        elif kind.combine == "same":
            counts.append(_agreed(np.asarray(value, dtype=np.float64)))
        elif kind.counts:
            words = encoded_counts(_bare(value, np.int64, hidden), addends)
            counts.append(_covered(words[None], hidden, noise)[0])
            if kind.small == "suppress":
                flags = np.zeros((1, words.size), dtype=np.uint64)
                counts.append(_covered(flags, hidden, noise)[0])
        elif kind.tail is None:
            values = _folded(_bare(value, np.float64, hidden), kind, np.shape(value))
            tail = _tail(kinds, name)
            rest = None if tail is None else np.asarray(getattr(statistic, tail), dtype=np.float64)
            numbers.append(_Numbers(values, rest, hidden))
    return Summands(
        tuple(np.shape(getattr(statistic, name)) for name in kinds),
        Sums(_fixed(numbers, addends, noise), np.concatenate(counts)),
        tuple(clear),
    )


@dataclass(frozen=True)
class _Numbers:
    """The floats of one field, (n,), with their tails, and which of them are hidden."""

    values: FloatArray
    tails: FloatArray | None
    hidden: BoolArray | None


def _fixed(parts: list[_Numbers], addends: int, noise: Noise) -> Words:
    """All fields' floats as fixed-point numbers, at one go: most fields have few."""
    if not parts:
        return np.zeros((LIMBS, 0), dtype=np.uint64)
    words = encoded(np.concatenate([part.values for part in parts]), addends)
    if any(part.tails is not None for part in parts):
        rest = [
            np.zeros(len(part.values)) if part.tails is None else part.tails.ravel()
            for part in parts
        ]
        words = added([words, encoded(np.concatenate(rest), addends)])
    place = 0
    for part in parts:
        place, start = place + len(part.values), place
        if part.hidden is not None:
            words[:, start:place] = _covered(words[:, start:place], part.hidden, noise)
    return words


def nothing(statistic: type[Statistic], shapes: Shapes) -> Summands:
    """What a site without records adds to a statistic of these shapes."""
    kinds = field_kinds(statistic)
    clear = tuple(
        np.full(shape, np.inf if kind.combine == "min" else -np.inf)
        for kind, shape in zip(kinds.values(), shapes, strict=True)
        if kind.combine in ("min", "max")
    )
    numbers, counts = _lengths(kinds, shapes)
    empty = Sums(np.zeros((LIMBS, numbers), np.uint64), np.zeros(counts, np.uint64))
    return Summands(shapes, empty, clear)


def total(statistic: type[S], shapes: Shapes, sums: Sums, clear: list[tuple[FloatArray, ...]]) -> S:
    """The statistic that the words of all sites, added up, are of.

    clear has each site's minima and maxima. Raises NotTheSame where words do not fit the shapes,
    or sites differ in what must be the same.
    """
    kinds = field_kinds(statistic)
    if len(shapes) != len(kinds) or any(size < 0 for shape in shapes for size in shape):
        raise NotTheSame(f"{statistic.__name__} has other fields than the sites sent")
    if (sums.numbers.shape[1], len(sums.counts)) != _lengths(kinds, shapes):
        raise NotTheSame(f"{statistic.__name__} has not the shapes that the sites sent")
    high = decoded(sums.numbers)
    numbers, counts = _Reader(high[None]), _Reader(sums.counts[None])
    tails: _Reader | None = None
    if any(kind.tail is not None for kind in kinds.values()):
        rest = decoded(added([sums.numbers, negated(encoded(high, 1))]))
        tails = _Reader(rest[None])
    contributors = int(counts.take(1)[0, 0])
    found: dict[str, Any] = {}
    masks: dict[str, BoolArray] = {}
    told = _pooled(statistic, shapes, clear)
    for (name, kind), shape in zip(kinds.items(), shapes, strict=True):
        size = prod(shape)
        if kind.combine in ("min", "max"):
            found[name] = next(told)
        elif kind.combine == "same":
            words = counts.take(2 * size + _DIGEST)[0]
            found[name] = _agreement(f"{statistic.__name__}.{name}", words, shape, contributors)
        elif kind.counts:
            found[name] = decoded_counts(counts.take(size)[0]).reshape(shape)
            if kind.small == "suppress":
                masks[name] = (counts.take(size)[0] != 0).reshape(shape)
        elif kind.tail is None:
            length = _length(kind, shape)
            found[name] = _unfolded(numbers.take(length)[0], kind, shape)
            low = None if tails is None else tails.take(length)[0]
            tail = _tail(kinds, name)
            if tail is not None and low is not None:
                found[tail] = low.reshape(shape)
    for name, kind in kinds.items():
        mask = masks.get(name if kind.counts else kind.cells or "")
        if mask is not None and mask.any():
            wide = _wide(mask, found[name].shape)
            found[name] = np.ma.masked_array(np.where(wide, 0, found[name]), wide)
    return statistic(**found)


def _lengths(kinds: dict[str, FieldKind], shapes: Shapes) -> tuple[int, int]:
    """How many numbers and how many counts a statistic of these shapes travels as."""
    numbers, counts = 0, 1
    for kind, shape in zip(kinds.values(), shapes, strict=True):
        size = prod(shape)
        if kind.combine == "same":
            counts += 2 * size + _DIGEST
        elif kind.combine == "add" and kind.counts:
            counts += size * (1 + (kind.small == "suppress"))
        elif kind.combine == "add" and kind.tail is None:
            numbers += _length(kind, shape)
    return numbers, counts


def _length(kind: FieldKind, shape: tuple[int, ...]) -> int:
    """How many numbers a sum of this shape travels as: of a symmetric one, half and the diagonal.

    Raises NotTheSame where a symmetric one is no square.
    """
    if not kind.symmetric:
        return prod(shape)
    if len(shape) < 2 or shape[-1] != shape[-2]:
        raise NotTheSame(f"A symmetric sum is no square but {shape}")
    return prod(shape[:-2]) * (shape[-1] * (shape[-1] + 1) // 2)


@lru_cache(maxsize=64)
def _half(size: int) -> tuple[IntArray, IntArray]:
    """Rows and columns of a square's upper half, with its diagonal."""
    return np.triu_indices(size)


def _folded(values: FloatArray, kind: FieldKind, shape: tuple[int, ...]) -> FloatArray:
    """What travels of the values of a sum, in a row."""
    if not kind.symmetric:
        return values
    rows, columns = _half(shape[-1])
    return np.ascontiguousarray(values.reshape(shape)[..., rows, columns]).ravel()


def _unfolded(values: FloatArray, kind: FieldKind, shape: tuple[int, ...]) -> FloatArray:
    """The sum that these values travelled for."""
    if not kind.symmetric:
        return values.reshape(shape)
    rows, columns = _half(shape[-1])
    whole = np.empty(shape)
    whole[..., rows, columns] = whole[..., columns, rows] = values.reshape(*shape[:-2], len(rows))
    return whole


@dataclass
class _Reader:
    """Reads words or numbers (k, n) from the left, some columns at a time."""

    words: NDArray[Any]
    place: int = 0

    def take(self, size: int) -> NDArray[Any]:
        self.place += size
        return self.words[:, self.place - size : self.place]


def _tail(kinds: dict[str, FieldKind], name: str) -> str | None:
    return next((other for other, kind in kinds.items() if kind.tail == name), None)


def _hidden(statistic: Statistic, name: str, kind: FieldKind) -> BoolArray | None:
    """Which cells of a field the guard has hidden; None where none is."""
    value = getattr(statistic, name)
    ruling = getattr(statistic, kind.cells) if kind.cells is not None else value
    mask = np.ma.getmask(ruling)
    if mask is np.ma.nomask or not np.any(mask):
        if np.ma.is_masked(value):
            raise ValueError(f"{type(statistic).__name__}.{name} hides what its cells show")
        return None
    if kind.cells is None and not (kind.counts and kind.small == "suppress"):
        raise ValueError(f"{type(statistic).__name__}.{name} may not be hidden")
    return _wide(np.asarray(mask), np.shape(value))


def _wide(mask: BoolArray, shape: tuple[int, ...]) -> BoolArray:
    """A mask of leading axes over all axes of shape."""
    ones = (1,) * (len(shape) - mask.ndim)
    return np.asarray(np.broadcast_to(mask.reshape((*mask.shape, *ones)), shape))


def _bare(value: NDArray[Any], kind: type[Any], hidden: BoolArray | None) -> NDArray[Any]:
    """The values of a field in a row, (n,), 0 where hidden."""
    plain = np.asarray(np.ma.getdata(value))
    if kind is np.int64 and plain.dtype.kind not in "iub":
        raise ValueError(f"a count is a whole number, not {plain.dtype}")
    if hidden is not None:
        plain = np.where(hidden, 0, plain)
    return plain.astype(kind).ravel()


def _covered(words: Words, hidden: BoolArray | None, noise: Noise) -> Words:
    """The words (k, n) with random ones in hidden places."""
    if hidden is None:
        return words
    places = np.flatnonzero(hidden)
    random = np.frombuffer(noise(8 * len(words) * len(places)), dtype=np.uint64)
    covered = words.copy()
    covered[:, places] = random.reshape(len(words), -1)
    return covered


def _told(value: NDArray[Any], kind: FieldKind, hidden: BoolArray | None) -> FloatArray:
    """Minima or maxima, with those that are hidden where they change no other's."""
    plain = np.asarray(np.ma.getdata(value), dtype=np.float64)
    if hidden is None:
        return plain
    return np.where(hidden, np.inf if kind.combine == "min" else -np.inf, plain)


def _pooled(
    statistic: type[Statistic], shapes: Shapes, clear: list[tuple[FloatArray, ...]]
) -> Iterator[FloatArray]:
    """The smallest or largest of all sites, field by field."""
    kinds = field_kinds(statistic)
    extreme = [
        (name, kind, shape)
        for (name, kind), shape in zip(kinds.items(), shapes, strict=True)
        if kind.combine in ("min", "max")
    ]
    for place, (name, kind, shape) in enumerate(extreme):
        values = [part[place] for part in clear if len(part) == len(extreme)]
        if len(values) != len(clear) or any(value.shape != shape for value in values):
            raise NotTheSame(f"{statistic.__name__}.{name} differs in shape between sites")
        pick = np.fmin if kind.combine == "min" else np.fmax
        yield np.asarray(pick.reduce(np.stack(values), axis=0), dtype=np.float64)


def _agreed(value: FloatArray) -> Words:
    """Halves of the bits of every float, then the hash of all, as words (2 n + 4,)."""
    bits = np.ascontiguousarray(value).ravel().view(np.uint64)
    digest = np.frombuffer(hashlib.sha256(bits.tobytes()).digest(), dtype=np.uint64)
    return np.concatenate([bits >> _HALF, bits & np.uint64(0xFFFFFFFF), digest])


def _agreement(place: str, words: Words, shape: tuple[int, ...], contributors: int) -> FloatArray:
    """The value that every site of so many sent, from the sum of their words."""
    size = prod(shape)
    if contributors:
        halves = (words[: 2 * size] // np.uint64(contributors)).reshape(2, size)
        value: FloatArray = ((halves[0] << _HALF) | halves[1]).view(np.float64)
        if np.array_equal(_agreed(value) * np.uint64(contributors), words):
            return value.reshape(shape)
    raise NotTheSame(
        f"{place} is not the same at all sites",
        remedy="Compare the sites' versions of the software and of the data model.",
    )
