"""The search for the generalisation that loses least, over the lattice of all of them.

First Flash's walk: from the bottom a path up is bisected, and each failure rules out all that is
less general. Then every generalisation that may still lose less than the best one found is tried,
in order; so the answer is the best of all, as brute force finds it.

Source: Kohlmayer, Prasser, Eckert, Kemper, Kuhn, Flash: efficient, stable and optimal
k-anonymity, PASSAT 2012; El Emam et al., A globally optimal k-anonymity method (OLA),
J Am Med Inform Assoc 16 (2009) 670-682.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from medmip.anonymise.errors import AnonymisationError

Node: TypeAlias = tuple[int, ...]
LARGEST = 2_000_000
"""Generalisations in a lattice that is searched; fifteen variables of two steps make 4 million."""


@dataclass(frozen=True, slots=True)
class Trial:
    """Whether a generalisation is anonymous enough, and what it loses, suppression counted in."""

    enough: bool
    loss: float


@dataclass(frozen=True, slots=True)
class Found:
    """The best generalisation, what it loses, and how many were tried to know."""

    node: Node
    loss: float
    tried: int


def least_loss(
    losses: Sequence[Sequence[float]], trial: Callable[[Node], Trial], *, monotone: bool
) -> Found | None:
    """The anonymous generalisation that loses least; of equals the first by its steps.

    losses has for each variable the loss of each of its steps, not falling; a node's mean of
    them bounds what its trial loses from below. monotone says that what fails also fails when
    it is less general. None where nothing is enough.
    """
    shape = tuple(len(steps) for steps in losses)
    if np.prod([float(size) for size in shape]) > LARGEST:
        raise AnonymisationError(
            f"The quasi-identifiers have more than {LARGEST:,} combinations of steps.",
            remedy="Name fewer of them, or give them fewer steps.",
        )
    return _Search(losses, trial, monotone, shape).run()


@dataclass
class _Search:
    losses: Sequence[Sequence[float]]
    trial: Callable[[Node], Trial]
    monotone: bool
    shape: tuple[int, ...]
    best: Found | None = None
    known: dict[Node, Trial] = field(default_factory=dict)
    failed: NDArray[np.bool_] = field(init=False)
    bound: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        self.failed = np.zeros(self.shape, dtype=np.bool_)
        grids = np.meshgrid(*[np.asarray(steps) for steps in self.losses], indexing="ij")
        self.bound = np.sum(grids, axis=0) / len(self.losses)

    def run(self) -> Found | None:
        if self.monotone:
            self._walk()
        flat = self.bound.ravel()
        for place in np.argsort(flat, kind="stable").tolist():
            if self.best is not None and flat[place] > self.best.loss:
                break
            node = tuple(int(step) for step in np.unravel_index(place, self.shape))
            if not self.failed[node]:
                self._try(node)
        if self.best is None:
            return None
        return Found(self.best.node, self.best.loss, len(self.known))

    def _walk(self) -> None:
        heights = np.sum(np.indices(self.shape), axis=0).ravel()
        for place in np.argsort(heights, kind="stable").tolist():
            node = tuple(int(step) for step in np.unravel_index(place, self.shape))
            if self._open(node):
                self._bisect(self._path(node))

    def _path(self, node: Node) -> list[Node]:
        """Upwards by the step that loses least, as long as something is open."""
        path = [node]
        while True:
            above = [
                (*node[:place], step + 1, *node[place + 1 :])
                for place, step in enumerate(node)
                if step + 1 < self.shape[place]
            ]
            still = [other for other in above if self._open(other)]
            if not still:
                return path
            node = min(still, key=lambda other: (float(self.bound[other]), other))
            path.append(node)

    def _bisect(self, path: list[Node]) -> None:
        low, high = 0, len(path) - 1
        while low <= high:
            middle = (low + high) // 2
            if self._try(path[middle]):
                high = middle - 1
            else:
                low = middle + 1

    def _open(self, node: Node) -> bool:
        beaten = self.best is not None and self.bound[node] >= self.best.loss
        return not (beaten or self.failed[node] or node in self.known)

    def _try(self, node: Node) -> bool:
        tried = self.known.get(node)
        if tried is None:
            tried = self.known[node] = self.trial(node)
            if not tried.enough and self.monotone:
                self.failed[tuple(slice(None, step + 1) for step in node)] = True
            if tried.enough:
                found = Found(node, tried.loss, 0)
                if self.best is None or (found.loss, node) < (self.best.loss, self.best.node):
                    self.best = found
        return tried.enough
