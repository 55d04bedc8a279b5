"""The peer's k-means: a local optimum, with a single patient for a cluster."""

from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sklearn.cluster import KMeans

from tests.peer.conftest import Explain, PeerHospital, close

PEER_CASES = "kmeans"


def test_ours_is_nearer_than_the_peers(
    peer: PeerHospital, case: dict[str, Any], explained: Explain
) -> None:
    """Lloyd's algorithm rests at the peer's centres, but their spread is larger than ours.

    Where it rests depends on where it starts, so the peer's centres cannot be asked for.
    """
    data, asked = case["input"]["inputdata"], case["input"]["parameters"]
    parameters = {"tolerance": 0.0, "max_iterations": asked["maxiter"], "standardise": False}
    ours = peer.run("kmeans", data, {"k": asked["k"], **parameters})
    theirs = np.array(case["output"]["centers"])
    tables = [
        pq.read_table(peer.snapshot(data["data_model"], name).path, columns=data["y"])
        for name in data["datasets"]
    ]
    values = np.vstack([np.column_stack([table[code] for code in data["y"]]) for table in tables])
    values = values[~np.isnan(values).any(axis=1)]

    explained("it rests at a worse optimum")
    rested = KMeans(asked["k"], init=theirs, n_init=1, tol=0).fit(values)
    assert rested.cluster_centers_ == close(theirs)
    assert ours.n == len(values)
    assert ours.within <= rested.inertia_
    best = KMeans(asked["k"], n_init=50, random_state=1).fit(values)
    assert ours.within <= 1.01 * best.inertia_
    again = KMeans(asked["k"], init=np.array(ours.centres), n_init=1, tol=0).fit(values)
    assert np.array(ours.centres) == close(again.cluster_centers_)
    assert ours.within == close(again.inertia_)
