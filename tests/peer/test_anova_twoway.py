"""The peer's two-way analyses of variance."""

from typing import Any

from tests.peer.conftest import PeerHospital, close

PEER_CASES = ("anova", "anova_twoway_prod")


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    theirs = case["output"]
    kind = case["input"]["parameters"]["sstype"]
    ours = peer.run("anova_twoway", case["input"]["inputdata"], {"type": kind})
    # Of terms without a degree of freedom the peer lists some and leaves out others.
    told = {term for term, df in theirs["df"].items() if df}
    assert told == {"Residuals", *(row.term for row in ours.sources[:-1])}
    for row in ours.sources:
        term = "Residuals" if row.term == "Residual" else row.term
        assert row.df == theirs["df"][term]
        assert row.ss == close(theirs["sum_sq"][term])
        if row.f is not None:
            assert row.f == close(theirs["f_stat"][term])
            assert row.p_value == close(theirs["f_pvalue"][term], floor=1e-300)
