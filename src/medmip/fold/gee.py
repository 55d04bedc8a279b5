"""Generalised estimating equations: what a round adds up over patients, never parted."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import FloatArray, IntArray, Statistic, Sum, Symmetric

BoolArray = NDArray[np.bool_]

_LARGEST = 700.0
"""Linear predictors beyond this are cut: e to it is the largest double."""
_LEAST = 1e-300


class Family(StrEnum):
    """How the outcome scatters about its mean, with the canonical link."""

    GAUSSIAN = "gaussian"
    BINOMIAL = "binomial"
    POISSON = "poisson"


class Structure(StrEnum):
    """How a patient's records are taken to go together."""

    INDEPENDENCE = "independence"
    EXCHANGEABLE = "exchangeable"
    AUTOREGRESSIVE = "autoregressive"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Structure.INDEPENDENCE: "Independence: none",
            Structure.EXCHANGEABLE: "Exchangeable: the same between all visits",
            Structure.AUTOREGRESSIVE: "Autoregressive: weaker from visit to visit",
        }[self]


@dataclass(frozen=True)
class GeeState:
    """The model at one point: columns z = (x - shift) / scale, beta (p + 1,) intercept first.

    outcome is numeric, taken less origin, or nominal where positive is the index of the level
    whose chance is modelled. correlation is that of the working structure.
    """

    design: Design
    outcome: str
    positive: int | None
    origin: float
    family: Family
    structure: Structure
    shift: FloatArray
    scale: FloatArray
    beta: FloatArray
    correlation: float = 0.0


@dataclass(frozen=True)
class GeeSums(Statistic):
    """Sums over patients at one point, for a scale of one, with q = p + 1 coefficients.

    records, patients, outside (records whose outcome the family does not know), impossible
    (patients with too many records for such a correlation), total (of the outcome less origin),
    pearson (squared Pearson residuals), quasi (quasi-likelihood), pairs and products (of the
    residuals that tell the correlation): (). score (q,): Σ D'V⁻¹(y - mu). information and
    independent (q, q): Σ D'V⁻¹D with the working correlation and without. meat (q, q): sum of
    the products of each patient's score.
    """

    records: Sum
    patients: Sum
    outside: Sum
    impossible: Sum
    total: Sum
    pearson: Sum
    quasi: Sum
    pairs: Sum
    products: Sum
    score: Sum
    information: Symmetric
    independent: Sum
    meat: Sum

    def supported_parameters(self) -> int:
        return len(self.score) + 1


def gee_sums(block: Block, state: GeeState) -> GeeSums:
    """The sums of one block's patients; a patient's records are in the order of visits.

    Sources: Liang & Zeger, Biometrika 73 (1986) 13-22; Pan, Biometrics 57 (2001) 120-125, for
    the quasi-likelihood, without what depends on the outcome alone.
    """
    y = _outcome(block, state)
    z = np.empty((block.records, len(state.beta)))
    z[:, 0] = 1.0
    np.subtract(block.matrix(state.design), state.shift, out=z[:, 1:])
    z[:, 1:] /= state.scale
    eta = np.dot(z, state.beta)
    mean, variance, quasi, known = _terms(state.family, y, eta)
    root = np.sqrt(variance)
    residual = (y - mean) / root
    starts = _starts(block)
    sizes = np.diff(np.append(starts, block.records)).astype(np.float64)
    rows = np.column_stack([z * root[:, None], residual])
    own = np.dot(rows.T, rows)
    totals = np.add.reduceat(rows, starts, axis=0)
    rho = state.correlation
    if state.structure is Structure.AUTOREGRESSIVE:
        # Each record less what the one before foretells: what is left does not go together.
        later = np.delete(np.arange(block.records), starts)
        turned = rows.copy()
        turned[later] = (rows[later] - rho * rows[later - 1]) / np.sqrt(1.0 - rho**2)
        whole = np.dot(turned.T, turned)
        scores = np.add.reduceat(turned[:, :-1] * turned[:, -1:], starts, axis=0)
        pairs, products = float(len(later)), float(residual[later] @ residual[later - 1])
        impossible = 0
    else:
        totals = np.add.reduceat(rows, starts, axis=0)
        room = 1.0 + (sizes - 1.0) * rho
        impossible = int(np.count_nonzero(room <= 0.0))
        shared = totals * (rho / room)[:, None]
        whole = (own - np.dot(totals.T, shared)) / (1.0 - rho)
        scores = np.add.reduceat(rows[:, :-1] * residual[:, None], starts, axis=0)
        scores = (scores - totals[:, :-1] * shared[:, -1:]) / (1.0 - rho)
        pairs = float((sizes * (sizes - 1.0)).sum() / 2)
        products = float((totals[:, -1] @ totals[:, -1] - own[-1, -1]) / 2)
    return GeeSums(
        records=np.array(float(block.records)),
        patients=np.array(float(len(starts))),
        outside=np.array(float(block.records - np.count_nonzero(known))),
        impossible=np.array(float(impossible)),
        total=np.array(y.sum()),
        pearson=np.array(own[-1, -1]),
        quasi=np.array(quasi),
        pairs=np.array(pairs),
        products=np.array(products),
        score=whole[:-1, -1].copy(),
        information=(whole[:-1, :-1] + whole[:-1, :-1].T) / 2,
        independent=(own[:-1, :-1] + own[:-1, :-1].T) / 2,
        meat=np.dot(scores.T, scores),
    )


def _outcome(block: Block, state: GeeState) -> FloatArray:
    if state.positive is None:
        return block.column(state.outcome) - state.origin
    return np.asarray(block.levels(state.outcome) == state.positive, dtype=np.float64)


def _terms(
    family: Family, y: FloatArray, eta: FloatArray
) -> tuple[FloatArray, FloatArray, float, BoolArray]:
    """Means (n,), variances (n,), the quasi-likelihood, and whether y is in range, (n,)."""
    everywhere = np.ones(len(y), dtype=bool)
    match family:
        case Family.GAUSSIAN:
            return eta, np.ones(len(y)), -0.5 * float(((y - eta) ** 2).sum()), everywhere
        case Family.BINOMIAL:
            mean = expit(eta)
            quasi = -float(np.logaddexp(0.0, np.where(y > 0, -eta, eta)).sum())
            return mean, np.maximum(mean * expit(-eta), _LEAST), quasi, everywhere
        case Family.POISSON:
            eta = np.minimum(eta, _LARGEST)
            mean = np.exp(eta)
            return mean, np.maximum(mean, _LEAST), float((y * eta - mean).sum()), y >= 0


def _starts(block: Block) -> IntArray:
    """The row at which each patient's records begin, (patients,)."""
    if block.patient is None:
        return np.arange(block.records)
    changes = np.flatnonzero(np.diff(block.patient)) + 1
    starts: IntArray = np.concatenate([[0], changes]).astype(np.int64)
    return starts
