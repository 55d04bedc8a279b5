"""Linear mixed models: what a round adds up over patients, whose records are never parted."""

from dataclasses import dataclass

import numpy as np

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import FloatArray, IntArray, Statistic, Sum


@dataclass(frozen=True)
class MixedState:
    """The model's columns, and the covariance of the random effects relative to the residuals'.

    design has p columns and last the outcome; they are taken as (x - shift) / scale, (p + 1,)
    each. slope is the index of the column that has a random slope, or None; covariance (q, q) is
    of the random intercept and slope, q being 1 or 2.
    """

    design: Design
    shift: FloatArray
    scale: FloatArray
    slope: int | None
    covariance: FloatArray


@dataclass(frozen=True)
class MixedSums(Statistic):
    """Sums over patients at one covariance D; m = p + 2: intercept, columns and outcome.

    products (m, m): of M'V⁻¹M, where V = I + Z D Z'; log_determinant (): of log |V|. Their
    derivatives by D are -tangents (q, q, m, m) and slopes (q, q).
    records () and patients (): how many.
    """

    records: Sum
    patients: Sum
    products: Sum
    log_determinant: Sum
    tangents: Sum
    slopes: Sum

    def supported_parameters(self) -> int:
        q = len(self.slopes)
        return len(self.products) + q * (q + 1) // 2


def mixed_sums(block: Block, state: MixedState) -> MixedSums:
    """The sums of one block's patients.

    Source: Bates, Mächler, Bolker & Walker, Journal of Statistical Software 67 (2015), 1-48,
    sections 2 and 3, by Woodbury's identity for each patient.
    """
    x = block.matrix(state.design)
    size, records = x.shape[1] + 1, block.records
    m = np.empty((records, size))
    m[:, 0] = 1.0
    np.subtract(x, state.shift, out=m[:, 1:])
    m[:, 1:] /= state.scale
    z = m[:, [0]] if state.slope is None else m[:, [0, 1 + state.slope]]
    starts = _starts(block)
    q = z.shape[1]
    crossed = np.stack(
        [np.add.reduceat(m * z[:, [index]], starts, axis=0) for index in range(q)], axis=1
    )
    gram = np.stack(
        [np.add.reduceat(z * z[:, [index]], starts, axis=0) for index in range(q)], axis=1
    )
    eye = np.eye(q)
    inner = eye + gram @ state.covariance
    # By patient: B' = (I + G D)⁻¹, K = D B', so that V⁻¹ = I - Z K Z'.
    turned = np.linalg.solve(inner, np.broadcast_to(eye, inner.shape))
    rest = turned @ crossed
    products = m.T @ m - np.einsum("iam,ab,ibn->mn", crossed, state.covariance, rest)
    return MixedSums(
        records=np.array(float(records)),
        patients=np.array(float(len(starts))),
        products=(products + products.T) / 2,
        log_determinant=np.array(np.linalg.slogdet(inner)[1].sum()),
        tangents=np.einsum("iam,ibn->abmn", rest, rest),
        slopes=(turned @ gram).sum(axis=0),
    )


def _starts(block: Block) -> IntArray:
    """The row at which each patient's records begin, (patients,)."""
    if block.patient is None:
        return np.arange(block.records)
    changes = np.flatnonzero(np.diff(block.patient)) + 1
    starts: IntArray = np.concatenate([[0], changes]).astype(np.int64)
    return starts
