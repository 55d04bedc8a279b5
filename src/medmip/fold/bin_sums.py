"""Sums of whole numbers by slot, covariate and bin: what histograms of trees are made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medmip.fold.bins import BinArray
from medmip.fold.compiled import compiled
from medmip.fold.statistic import CodeArray, FloatArray, IntArray

_UPPER = 46
"""Bits of a word below a count: the sum of numbers up to 2^30 of a run of records stays below."""
_COUNTED = 20
"""Bits of each count where several share a word."""
_RUN = 2**15 - 1
"""Records that are summed before words are told apart, so that no part of one overflows."""


@dataclass(frozen=True)
class Packing:
    """How channels share the 64-bit words that are added up for every record.

    word (c,) is the word of each channel, shift (c,) how many bits of it lie below the channel;
    only what lies lowest in a word may be negative. One addition then serves several channels.
    """

    word: tuple[int, ...]
    shift: tuple[int, ...]

    @classmethod
    def apart(cls, channels: int) -> "Packing":
        """A word for each channel: any whole numbers whose sums are below 2^53."""
        return cls(tuple(range(channels)), (0,) * channels)

    @classmethod
    def beside(cls, values: int, counts: int) -> "Packing":
        """A count, then numbers up to 2^30, then the other counts; counts are 0 or 1 a record."""
        seats = [(word, _UPPER) for word in range(values)]
        several = range(counts - values)
        seats += [(values + index // 3, _COUNTED * (index % 3)) for index in several]
        first, *others = seats[:counts]
        word, shift = zip(first, *((word, 0) for word in range(values)), *others, strict=True)
        return cls(word, shift)

    @cached_property
    def words(self) -> int:
        return max(self.word) + 1

    @cached_property
    def table(self) -> IntArray:
        """Channel, word and shift of each channel, (c, 3), the highest of a word first."""
        rows = zip(range(len(self.word)), self.word, self.shift, strict=True)
        return np.array(sorted(rows, key=lambda row: (row[1], -row[2])), dtype=np.int64)

    def packed(self, channels: Sequence[IntArray | CodeArray]) -> IntArray:
        """The words of each record, (n, words), from its channels, (n,) each."""
        found = np.zeros((len(channels[0]), self.words), dtype=np.int64)
        for values, word, shift in zip(channels, self.word, self.shift, strict=True):
            found[:, word] += values.astype(np.int64) << shift
        return found

    def told_apart(self, words: IntArray) -> FloatArray:
        """The channels (k, c) of sums of words (k, w) over one run of records."""
        left = words.copy()
        found = np.empty((len(words), len(self.word)))
        for channel, word, shift in self.table.tolist():
            half = 1 << shift >> 1
            above = (left[:, word] + half) >> shift
            left[:, word] -= above << shift
            found[:, channel] = above
        return found


_ALL = np.empty((0, 0), dtype=np.int32)


def bin_sums(
    codes: BinArray,
    slot: CodeArray,
    slots: int,
    width: int,
    words: IntArray,
    packing: Packing,
    features: CodeArray | None = None,
) -> FloatArray:
    """Sums of each of c channels by slot, covariate and bin, (slots, c, m, width).

    codes is (n, p), slot (n,) with -1 for records left out, words (n, w) as packed; features
    (slots, m) are the covariates looked at in each slot, None for all.
    """
    looked = _ALL if features is None else features
    m = codes.shape[1] if features is None else features.shape[1]
    found = np.zeros((slots, len(packing.word), m, width))
    _summed(codes, slot, words, looked, packing.table, found)
    return found


def slot_sums(slot: CodeArray, slots: int, words: IntArray, packing: Packing) -> FloatArray:
    """Sums of each of c channels by slot, (slots, c); slot and words are as for bin_sums."""
    found = np.zeros((slots, len(packing.word)))
    for start in range(0, len(slot), _RUN):
        held = np.zeros((slots, words.shape[1]), dtype=np.int64)
        _added(slot[start : start + _RUN], words[start : start + _RUN], held)
        found += packing.told_apart(held)
    return found


@compiled("void(int32[::1],int64[:,::1],int64[:,::1])")
def _added(slot: CodeArray, words: IntArray, held: IntArray) -> None:
    u = np.uint64
    for i in range(len(slot)):
        if slot[i] >= 0:
            at = u(slot[i])
            for word in range(words.shape[1]):
                held[at, u(word)] += words[u(i), u(word)]


@compiled("void(uint8[:,::1],int32[::1],int64[:,::1],int32[:,::1],int64[:,::1],float64[:,:,:,::1])")
def _summed(
    codes: BinArray,
    slot: CodeArray,
    words: IntArray,
    features: CodeArray,
    table: IntArray,
    found: FloatArray,
) -> None:
    n, p = codes.shape
    u = np.uint64
    slots, channels, m, width = found.shape
    several = words.shape[1]
    # Records of one slot after another: their sums stay near the processor.
    ends = np.zeros(slots + 1, dtype=np.int64)
    for i in range(n):
        if slot[i] >= 0:
            ends[u(slot[i]) + u(1)] += 1
    for s in range(slots):
        ends[s + 1] += ends[s]
    order = np.empty(ends[slots], dtype=np.int32)
    free = ends[:slots].copy()
    for i in range(n):
        if slot[i] >= 0:
            at = u(slot[i])
            order[u(free[at])] = i
            free[at] += 1
    held = np.zeros(m * width * several, dtype=np.int64)
    whole = features.shape[0] == 0
    for s in range(slots):
        start = ends[s]
        while start < ends[s + 1]:
            stop = min(start + _RUN, ends[s + 1])
            held[:] = 0
            if whole and several == 2:
                for k in range(start, stop):
                    record = u(order[u(k)])
                    one, two = words[record, u(0)], words[record, u(1)]
                    at = u(0)
                    for j in range(p):
                        here = at + u(2) * u(codes[record, u(j)])
                        held[here] += one
                        held[here + u(1)] += two
                        at += u(2 * width)
            elif whole and several == 1:
                for k in range(start, stop):
                    record = u(order[u(k)])
                    one = words[record, u(0)]
                    for j in range(p):
                        held[u(j * width) + u(codes[record, u(j)])] += one
            else:
                for k in range(start, stop):
                    record = u(order[u(k)])
                    for j in range(m):
                        f = u(j) if whole else u(features[s, j])
                        at = u(several) * (u(j * width) + u(codes[record, f]))
                        for w in range(several):
                            held[at + u(w)] += words[record, u(w)]
            for row in range(channels):
                sums = found[s, table[row, 0]].reshape(m * width)
                at, shift = u(table[row, 1]), table[row, 2]
                if shift > 0:
                    half = np.int64(1) << (shift - 1)
                    for cell in range(m * width):
                        value = (held[at] + half) >> shift
                        held[at] -= value << shift
                        sums[cell] += value
                        at += u(several)
                else:
                    for cell in range(m * width):
                        sums[cell] += held[at]
                        at += u(several)
            start = stop
