"""What the scores of a validation say: measures with their intervals, and curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy import stats

from medmip.algorithms.validation import Curve, Measure, Validation
from medmip.algorithms.views import unmasked
from medmip.fold.model import Target
from medmip.fold.scores import BINS, ClassScores, NumberScores, chance_at, chance_of_bin
from medmip.fold.statistic import FloatArray, IntArray

CONFIDENCE = 0.95
_GROUPS = 10
"""Groups of a calibration plot."""


@dataclass(frozen=True)
class _Segments:
    """Runs of bins from the likeliest down; counts (s, 2) not of, and of, the class."""

    counts: FloatArray
    lowest: FloatArray
    chances: FloatArray

    @classmethod
    def of(cls, bins: IntArray, people: IntArray, minimum: int, *, cut: bool) -> Self:
        """Joins bins until no class has between 1 and minimum - 1 patients in a segment.

        cut keeps the bins of chances above a half apart from those below, so that the segments
        and a confusion matrix have no small difference.
        """
        order = np.arange(BINS - 1, -1, -1)
        halves = [order[: BINS // 2], order[BINS // 2 :]] if cut else [order]
        counts, lowest, chances = [], [], []
        for half in halves:
            for run in _runs(half, people, minimum):
                held = bins[:, run].sum(axis=1).astype(float)
                counts.append(held)
                lowest.append(chance_at(int(run[-1])))
                weights = bins[:, run].sum(axis=0)
                chances.append(float((weights * chance_of_bin(run)).sum() / weights.sum()))
        return cls(np.array(counts).reshape(-1, 2), np.array(lowest), np.array(chances))


def _runs(order: IntArray, people: IntArray, minimum: int) -> list[IntArray]:
    """Bins in this order, joined until each run's patients are none or enough in both classes."""
    filled = order[people[:, order].sum(axis=0) > 0]
    runs: list[list[int]] = []
    current: list[int] = []
    held = np.zeros(2, dtype=np.int64)
    for index in filled.tolist():
        current.append(index)
        held = held + people[:, index]
        if _large(held, minimum):
            runs.append(current)
            current, held = [], np.zeros(2, dtype=np.int64)
    while current and runs:
        # What is left over is too small to stand alone.
        current = runs.pop() + current
        if _large(people[:, current].sum(axis=1), minimum):
            runs.append(current)
            current = []
    return [np.array(run) for run in runs]


def _large(patients: IntArray, minimum: int) -> bool:
    return not ((patients > 0) & (patients < minimum)).any()


def class_validation(
    outcome: str,
    target: Target,
    method: str,
    groups: Sequence[str],
    parts: Sequence[ClassScores],
    minimum: int,
) -> Validation:
    """The validation of a classifier from the scores of each held-out part."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    each = [_class_measures(part, target) for part in (total, *parts)]
    whole, folds = each[0], each[1:]
    counts = np.ma.asarray(total.records)
    complete = not np.ma.is_masked(counts)
    names = target.classes[1:] if len(target.classes) == 2 else target.classes
    curves = [
        _curve(name, total.bins[index], total.people[index], minimum, cut=complete)
        for index, name in enumerate(names)
    ]
    return Validation(
        outcome=outcome,
        method=method,
        groups=tuple(groups),
        n=int(total.bins[0].sum()),
        unknown=int(total.unknown),
        classes=target.classes,
        measures=tuple(
            Measure(
                name=name,
                value=value[0],
                lower=value[1],
                upper=value[2],
                folds=tuple(fold[name][0] for fold in folds),
            )
            for name, value in whole.items()
        ),
        confusion=tuple(tuple(unmasked(row)) for row in counts),
        curves=tuple(curve for curve in curves if curve is not None),
        minimum=minimum,
    )


_Interval = tuple[float | None, float | None, float | None]


def _class_measures(scores: ClassScores, target: Target) -> dict[str, _Interval]:
    """Measures of one part, each with its interval; None where counts are hidden."""
    found: dict[str, _Interval] = {}
    counts = np.ma.asarray(scores.records)
    n = float(scores.bins[0].sum())
    if np.ma.is_masked(counts) or not n:
        hidden: _Interval = (None, None, None)
        found["Accuracy"] = hidden
    else:
        table_of = np.asarray(counts)
        found["Accuracy"] = _wilson(float(np.trace(table_of)), n)
    binary = len(target.classes) == 2
    measured = [1] if binary else list(range(len(target.classes)))
    for index in measured:
        name = "" if binary else f" of {target.classes[index]}"
        found |= _by_class(counts, index, name)
    areas = [_auc(scores.bins[place]) for place in range(len(measured))]
    for index, area in zip(measured, areas, strict=True):
        name = "" if binary else f" of {target.classes[index]}"
        found[f"AUC{name}"] = area
    known = [area[0] for area in areas if area[0] is not None]
    if not binary and known:
        found["Mean AUC"] = (float(np.mean(known)), None, None)
    # Of two classes both terms of a record's sum are the same, and one is told.
    each = n * (2 if binary else 1)
    found["Brier score"] = (float(scores.brier) / each if n else None, None, None)
    found["Log loss"] = (float(scores.log_loss) / n if n else None, None, None)
    return found


def _by_class(counts: np.ma.MaskedArray[Any, Any], index: int, name: str) -> dict[str, _Interval]:
    if np.ma.is_masked(counts):
        hidden: _Interval = (None, None, None)
        return {f"{part}{name}": hidden for part in ("Precision", "Recall", "Specificity", "F1")}
    held = np.asarray(counts)
    right, given, actual = held[index, index], held[:, index].sum(), held[index].sum()
    others = held.sum() - actual
    rejected = others - (given - right)
    return {
        f"Precision{name}": _wilson(right, given),
        f"Recall{name}": _wilson(right, actual),
        f"Specificity{name}": _wilson(rejected, others),
        f"F1{name}": (_ratio(2 * right, given + actual), None, None),
    }


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _wilson(part: float, whole: float) -> _Interval:
    """A share with its interval. Source: Wilson, JASA 22 (1927) 209-212."""
    if not whole:
        return (None, None, None)
    share = part / whole
    z = stats.norm.ppf(0.5 + CONFIDENCE / 2)
    centre = (share + z**2 / (2 * whole)) / (1 + z**2 / whole)
    half = z * np.sqrt(share * (1 - share) / whole + z**2 / (4 * whole**2)) / (1 + z**2 / whole)
    return (float(share), float(centre - half), float(centre + half))


def _auc(bins: IntArray) -> _Interval:
    """The area under the ROC curve of binned scores (2, BINS), ties counting half.

    Its interval is DeLong's, on the logit scale so that it stays within 0 and 1.
    Source: DeLong, DeLong & Clarke-Pearson, Biometrics 44 (1988) 837-845.
    """
    negative, positive = bins.astype(float)
    n, m = negative.sum(), positive.sum()
    if not n or not m:
        return (None, None, None)
    below = (np.cumsum(negative) - negative / 2) / n
    above = 1 - (np.cumsum(positive) - positive / 2) / m
    area = float((positive * below).sum() / m)
    if n < 2 or m < 2 or not 0 < area < 1:
        return (area, None, None)
    variance = (positive * (below - area) ** 2).sum() / (m - 1) / m
    variance += (negative * (above - area) ** 2).sum() / (n - 1) / n
    z = stats.norm.ppf(0.5 + CONFIDENCE / 2)
    half = z * np.sqrt(variance) / (area * (1 - area))
    logit = np.log(area / (1 - area))
    return (area, float(1 / (1 + np.exp(half - logit))), float(1 / (1 + np.exp(-half - logit))))


def _curve(name: str, bins: IntArray, people: IntArray, minimum: int, *, cut: bool) -> Curve | None:
    area = _auc(bins)[0]
    segments = _Segments.of(bins, people, minimum, cut=cut)
    if area is None or not len(segments.counts):
        return None
    n, m = segments.counts.sum(axis=0)
    above = np.cumsum(segments.counts, axis=0)
    size = segments.counts.sum(axis=1)
    group = np.minimum((np.cumsum(size) - size / 2) / size.sum() * _GROUPS, _GROUPS - 1).astype(int)
    parts = [group == index for index in np.unique(group)]
    return Curve(
        name=name,
        auc=area,
        thresholds=tuple(segments.lowest.tolist()),
        sensitivity=tuple((above[:, 1] / m).tolist()),
        fall_out=tuple((above[:, 0] / n).tolist()),
        precision=tuple((above[:, 1] / above.sum(axis=1)).tolist()),
        expected=tuple(
            float((size[part] * segments.chances[part]).sum() / size[part].sum()) for part in parts
        ),
        observed=tuple(float(segments.counts[part, 1].sum() / size[part].sum()) for part in parts),
        share=float(m / (n + m)),
    )


def number_validation(
    outcome: str,
    method: str,
    groups: Sequence[str],
    parts: Sequence[NumberScores],
    minimum: int,
) -> Validation:
    """The validation of predicted numbers from the scores of each held-out part."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    whole = _number_measures(total)
    folds = [_number_measures(part) for part in parts]
    return Validation(
        outcome=outcome,
        method=method,
        groups=tuple(groups),
        n=int(total.sums[0]),
        unknown=int(total.unknown),
        classes=(),
        measures=tuple(
            Measure(
                name=name,
                value=value[0],
                lower=value[1],
                upper=value[2],
                folds=tuple(fold[name][0] for fold in folds),
            )
            for name, value in whole.items()
        ),
        confusion=(),
        curves=(),
        minimum=minimum,
    )


def _number_measures(scores: NumberScores) -> dict[str, _Interval]:
    """Root mean square and mean error with their normal intervals, R² and the calibration line."""
    n, error, square, absolute, fourth, y, yy, p, pp, yp = scores.sums.tolist()
    if n < 2:
        names = ("R²", "RMSE", "MAE", "Mean error", "Calibration slope")
        return dict.fromkeys(names, (None, None, None))
    z = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
    mean_square, mean_absolute, mean = square / n, absolute / n, error / n
    spread = z * np.sqrt(max(fourth / n - mean_square**2, 0.0) / n)
    around = z * np.sqrt(max(mean_square - mean_absolute**2, 0.0) / n)
    off = z * np.sqrt(max(mean_square - mean**2, 0.0) / n)
    total, covered = yy - y * y / n, pp - p * p / n
    return {
        "R²": (1 - square / total if total > 0 else None, None, None),
        "RMSE": (
            float(np.sqrt(mean_square)),
            float(np.sqrt(max(mean_square - spread, 0.0))),
            float(np.sqrt(mean_square + spread)),
        ),
        "MAE": (mean_absolute, mean_absolute - around, mean_absolute + around),
        "Mean error": (mean, mean - off, mean + off),
        "Calibration slope": ((yp - y * p / n) / covered if covered > 0 else None, None, None),
    }
