"""The peer's linear regressions; its reference level is the first by code."""

from typing import Any

from tests.peer.conftest import PeerHospital, close

PEER_CASES = "linear_regression"


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    theirs = case["output"]
    ours = peer.run("linear_regression", case["input"]["inputdata"], sorted_levels=True)

    assert ours.n == theirs["n_obs"]
    assert ours.df_residual == theirs["df_resid"]
    assert ours.df_model == theirs["df_model"]
    assert ours.residual_std_error == close(theirs["rse"])
    assert ours.r_squared == close(theirs["r_squared"])
    assert ours.r_squared_adjusted == close(theirs["r_squared_adjusted"])
    assert ours.f_statistic == close(theirs["f_stat"])
    assert ours.f_p_value == close(theirs["f_pvalue"], floor=1e-300)

    rows = {row.term: row for row in ours.coefficients}
    assert set(rows) == set(theirs["indep_vars"])
    found = [rows[term] for term in theirs["indep_vars"]]
    assert [row.estimate for row in found] == close(theirs["coefficients"])
    assert [row.std_error for row in found] == close(theirs["std_err"])
    assert [row.statistic for row in found] == close(theirs["t_stats"])
    assert [row.p_value for row in found] == close(theirs["pvalues"])
    assert [row.lower for row in found] == close(theirs["lower_ci"])
    assert [row.upper for row in found] == close(theirs["upper_ci"])
