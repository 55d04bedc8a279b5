"""The peer's cross-validated linear regressions.

Its folds are runs of records as they come, where ours deal patients by a keyed hash. It averages
over folds and gives the standard deviation of folds beside; what it calls the mean square error is
that error's root. It leaves the covariates' names and the records' number empty.
"""

from typing import Any

import numpy as np
from sklearn.model_selection import KFold

from tests.peer.conftest import Explain, PeerHospital, close
from tests.peer.folds import as_linear, held_out, records

PEER_CASES = "linear_regression_cv"


def test_our_validation_over_the_peers_folds_gives_its_figures(
    peer: PeerHospital, case: dict[str, Any], explained: Explain
) -> None:
    data, theirs = case["input"]["inputdata"], case["output"]
    columns = records(peer, data, as_linear)
    splits = KFold(case["input"]["parameters"]["n_splits"]).split(columns[data["y"][0]])
    ours = held_out("linear_regression", columns, data, [test for _, test in splits])

    explained("its folds are runs of records; its mean square error is that error's root")
    names = {"RMSE": "mean_sq_error", "R²": "r_squared", "MAE": "mean_abs_error"}
    for name, peers in names.items():
        by_fold = np.array(ours.measure(name).folds, dtype=float)
        assert [by_fold.mean(), by_fold.std(ddof=1)] == close(theirs[peers]), name
    assert theirs["n_obs"] == [0]
    assert theirs["indep_vars"] == [""]
