"""The peer's logistic regressions; its reference level is the first by code."""

import math
from typing import Any

from tests.peer.conftest import PeerHospital, close

PEER_CASES = "logistic_regression"


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    theirs = case["output"]
    ours = peer.run(
        "logistic_regression",
        case["input"]["inputdata"],
        {"positive_class": case["input"]["parameters"]["positive_class"]},
        sorted_levels=True,
    )

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
        assert [getattr(row, name) for row in ours.coefficients] == close(theirs[peers]), name


def test_cox_and_snells_r_squared_by_its_formula(peer: PeerHospital, case: dict[str, Any]) -> None:
    """The peer gives 0 in every case; the formula on the peer's own likelihoods gives ours.

    Source: Cox & Snell, Analysis of Binary Data, 2nd ed., 1989, p. 209.
    """
    theirs = case["output"]
    ours = peer.run(
        "logistic_regression",
        case["input"]["inputdata"],
        {"positive_class": case["input"]["parameters"]["positive_class"]},
        sorted_levels=True,
    )
    ratio = 2 * (theirs["ll"] - theirs["ll0"])

    assert ours.r_squared_cox_snell == close(1 - math.exp(-ratio / theirs["n_obs"]))
