"""Whichever engine scans them and however records are spread over members, every algorithm finds
what the pooled records give.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from medmip.algorithms.registry import registry
from medmip.authoring.check import RECORDS, Trial
from tests.federation.in_cluster import Cluster
from tests.store.in_postgres import Database

TOLERANCE = 1e-9
"""Relative to the largest figure of the same list, as every figure is one of its sums."""


def apart(one: Any, other: Any, place: str = "result", scale: float = 0.0) -> Iterator[str]:
    """Where two results differ."""
    if isinstance(one, Mapping) and isinstance(other, Mapping) and one.keys() == other.keys():
        for key in one:
            yield from apart(one[key], other[key], f"{place}.{key}", scale)
    elif isinstance(one, list | tuple) and isinstance(other, list | tuple):
        if len(one) != len(other):
            yield f"{place}: {len(one)} parts and {len(other)}"
            return
        largest = max((abs(part) for part in one if isinstance(part, float)), default=0.0)
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from apart(left, right, f"{place}[{index}]", largest)
    elif isinstance(one, float) and isinstance(other, float):
        near = abs(one - other) <= TOLERANCE * max(abs(one), scale, 1e-5)
        if not near and not (np.isnan(one) and np.isnan(other)) and one != other:
            yield f"{place}: {one} and {other}"
    elif one != other:
        yield f"{place}: {one} and {other}"


def split(trial: Trial, parts: int | Sequence[Any]) -> list[Any]:
    """The rows of each part, all of a patient's in the same; parts may be given as patients."""
    patients = np.asarray(trial.data.get("subjectid", np.arange(len(trial.data["dataset"]))))
    each = np.unique(patients)
    shares = np.array_split(each, parts) if isinstance(parts, int) else [each[p] for p in parts]
    return [np.flatnonzero(np.isin(patients, share)) for share in shares]


PARTS = (1, 3, 10)
LOP_SIDED = [slice(0, 3), slice(3, 20), slice(0, 0), slice(20, None)]


@pytest.fixture(scope="module")
def engines(clinics, object_store, tmp_path_factory):
    """By name, what makes of a site one whose records that engine scans, and among how many."""
    server = clinics("bundled")
    address = f"{server.address} user=postgres"
    database = Database(address, tmp_path_factory.mktemp("registers"))
    mapped = Database(address, tmp_path_factory.mktemp("mapped"), mapped=True)
    cluster = Cluster(tmp_path_factory.mktemp("cluster"))
    store = object_store.settings(cluster.home, "pooled", "mip")
    try:
        yield {
            "duckdb": (lambda site: site, PARTS),
            "postgres": (database.site, PARTS),
            "postgres, through a mapping": (mapped.site, (3,)),
            "dask, 3 partitions of an object store": (
                cluster.divided(store["folder"], -(-RECORDS // 3), store),
                (1,),
            ),
        } | {
            # Of one site; the partitions' sums are added by a tree.
            f"dask, {parts} partitions": (
                cluster.divided(tmp_path_factory.mktemp("partitions"), -(-RECORDS // parts)),
                (1,),
            )
            for parts in PARTS
        }
    finally:
        cluster.close()


@pytest.mark.parametrize("name", sorted(registry()))
def test_every_algorithm_by_every_engine_over_members_equals_pooled(name, engines):
    trial = Trial.of(registry()[name])
    pooled = trial.run().model_dump()
    ways = [(engine, str(parts), parts) for engine, (_, each) in engines.items() for parts in each]
    # Pooled records of snapshots are what all others are held against.
    ways[ways.index(("duckdb", "1", 1))] = ("duckdb", "lop-sided, one empty", LOP_SIDED)
    found = []
    for engine, way, parts in ways:
        moved, _ = engines[engine]
        result = trial.run(parts=split(trial, parts), moved=moved).model_dump()
        found += [f"{engine}, {way}: {difference}" for difference in apart(pooled, result)][:3]
    assert found == []
