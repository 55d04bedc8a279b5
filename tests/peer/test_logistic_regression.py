"""The peer's logistic regressions.

Its reference level is the first by code, and it puts the nominal covariates before the numeric.
"""

import math
from typing import Any

from tests.peer.conftest import Explain, PeerHospital, close

PEER_CASES = "logistic_regression"


def _run(peer: PeerHospital, case: dict[str, Any]) -> Any:
    data = case["input"]["inputdata"]
    model = peer.model(data["data_model"])
    return peer.run(
        "logistic_regression",
        data,
        {"positive_class": case["input"]["parameters"]["positive_class"]},
        x=sorted(data["x"], key=lambda code: not model.variable(code).is_nominal),
        sorted_levels=True,
    )


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    theirs = case["output"]
    ours = _run(peer, case)

    assert ours.n == theirs["n_obs"]
    assert ours.df_model == theirs["df_model"]
    assert ours.df_residual == theirs["df_resid"]
    assert ours.log_likelihood == close(theirs["ll"])
    assert ours.null_log_likelihood == close(theirs["ll0"])
    assert ours.aic == close(theirs["aic"])
    assert ours.bic == close(theirs["bic"])
    assert ours.r_squared_mcfadden == close(theirs["r_squared_mcf"])
    names = {
        "estimate": "coefficients",
        "std_error": "stderr",
        "statistic": "z_scores",
        "p_value": "pvalues",
        "lower": "lower_ci",
        "upper": "upper_ci",
    }
    for name, peers in names.items():
        floor = 1e-300 if name == "p_value" else 1e-9
        found = [getattr(row, name) for row in ours.coefficients]
        assert found == close(theirs[peers], floor=floor), name


def test_cox_and_snells_r_squared_by_its_formula(
    peer: PeerHospital, case: dict[str, Any], explained: Explain
) -> None:
    """The peer gives 0 in every case; the formula on the peer's own likelihoods gives ours.

    Source: Cox & Snell, Analysis of Binary Data, 2nd ed., 1989, p. 209.
    """
    theirs = case["output"]
    ours = _run(peer, case)
    assert theirs["r_squared_cs"] == 0
    explained("it gives 0 for Cox and Snell's R²")
    ratio = 2 * (theirs["ll"] - theirs["ll0"])

    assert ours.r_squared_cox_snell == close(1 - math.exp(-ratio / theirs["n_obs"]))
