"""Regional volumes against what age, sex and head let expect, by a reference dataset."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from medmip.catalogue.data_model import DataModel
from medmip.quality.columns import Columns, FloatArray
from medmip.quality.report import NormQuality, number
from medmip.quality.thresholds import Norms

BoolArray: TypeAlias = NDArray[np.bool_]

FEWEST = 100
"""Records of a reference below which it makes no norm."""


@dataclass(frozen=True)
class Norm:
    """A volume's regression in the reference; z is the residual over spread."""

    coefficients: FloatArray
    spread: float


def volumes(model: DataModel, norms: Norms, names: Sequence[str]) -> list[str]:
    """The variables that norms are made for: numbers in their units, but for the head's size."""
    known = model.all_variables
    return [
        name
        for name in names
        if name in known and known[name].units == norms.units and name != norms.head
    ]


def made_by(reference: Columns, model: DataModel, norms: Norms) -> dict[str, Norm]:
    """The norm of each volume that has enough records in the reference."""
    if not _needs(norms) <= {*reference.names}:
        return {}
    design, usable = _design(reference, norms)
    usable &= _healthy(reference, norms.healthy)
    found: dict[str, Norm] = {}
    for name in volumes(model, norms, reference.names):
        values = reference.numbers(name)
        rows = usable & ~np.isnan(values)
        if rows.sum() < FEWEST:
            continue
        x, y = design[rows], values[rows]
        coefficients, *_ = np.linalg.lstsq(x, y, rcond=None)
        spread = float(np.sqrt(np.sum((y - x @ coefficients) ** 2) / (len(y) - x.shape[1])))
        if spread > 0:
            found[name] = Norm(np.asarray(coefficients, dtype=np.float64), spread)
    return found


def against(
    here: Columns, norms: Norms, made: Mapping[str, Norm], minimum: int
) -> Iterator[NormQuality]:
    """Each volume of a snapshot against its norm, where enough records have all it takes."""
    if not _needs(norms) <= {*here.names}:
        return
    design, usable = _design(here, norms)
    for name, norm in made.items():
        if name not in here.names:
            continue
        values = here.numbers(name)
        rows = usable & ~np.isnan(values)
        if rows.sum() < minimum:
            continue
        z = (values[rows] - design[rows] @ norm.coefficients) / norm.spread
        yield NormQuality(
            code=name,
            records=int(rows.sum()),
            mean=round(float(z.mean()), 4),
            spread=round(float(z.std()), 4),
            beyond=number(int((np.abs(z) > norms.z).sum()), minimum),
        )


def _needs(norms: Norms) -> set[str]:
    return {norms.age, norms.sex, *([norms.head] if norms.head else [])}


def _design(columns: Columns, norms: Norms) -> tuple[FloatArray, BoolArray]:
    """Intercept, age, its square, sex, head; (records, 4 or 5), and which rows have all."""
    decades = (columns.numbers(norms.age) - 70) / 10
    text = pq.read_table(columns.path, columns=[norms.sex]).column(0).combine_chunks()
    is_male = pc.equal(text, norms.male).cast("float64").to_numpy(zero_copy_only=False)
    parts = [np.ones(columns.records), decades, decades**2, np.asarray(is_male, dtype=np.float64)]
    if norms.head:
        parts.append(columns.numbers(norms.head) / 1000)
    design = np.column_stack(parts)
    return design, np.asarray(~np.isnan(design).any(axis=1))


def _healthy(columns: Columns, healthy: Mapping[str, str]) -> BoolArray:
    rows = np.ones(columns.records, dtype=np.bool_)
    for name, level in healthy.items():
        column = pq.read_table(columns.path, columns=[name]).column(0).combine_chunks()
        same = pc.fill_null(pc.equal(column, level), False)
        rows &= same.to_numpy(zero_copy_only=False)
    return rows
