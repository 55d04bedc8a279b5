"""The peer's t-tests.

It reports 95 % intervals whatever its alpha. Of independent groups it tests by Welch; of pairs it
takes x minus y, and divides by the average variance for Cohen's d; of one sample it gives the
mean's interval, where ours is of the difference from mu, and Cohen's d without its sign.
"""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from tests.peer.conftest import Explain, PeerHospital, cases_of, close


@pytest.mark.parametrize("tested", cases_of("ttest_independent"))
def test_independent_equals_the_peer(
    peer: PeerHospital, tested: dict[str, Any], explained: Explain
) -> None:
    asked, theirs = tested["input"]["parameters"], tested["output"]
    groups = {"group_a": asked["groupA"], "group_b": asked["groupB"]}
    ours = peer.run(
        "ttest_independent",
        tested["input"]["inputdata"],
        {"alternative": asked["alt_hypothesis"], "equal_variances": False, **groups},
    )

    _compare(ours, theirs)
    assert ours.cohens_d == close(theirs["cohens_d"])
    explained("it tests by Welch and tells n − 2 degrees of freedom")
    # The peer tells n - 2 degrees of freedom, but its own p and interval are of Welch's.
    assert ours.n - 2 == theirs["df"]
    reference = stats.t(ours.df)
    chance = {"less": reference.cdf, "greater": reference.sf}[asked["alt_hypothesis"]]
    assert float(chance(theirs["statistic"])) == close(theirs["p_value"])


@pytest.mark.parametrize("tested", cases_of("ttest_paired"))
def test_paired_equals_the_peer(
    peer: PeerHospital, tested: dict[str, Any], explained: Explain
) -> None:
    data, theirs = tested["input"]["inputdata"], tested["output"]
    ours = peer.run(
        "ttest_paired",
        data,
        {"alternative": tested["input"]["parameters"]["alt_hypothesis"]},
        y=data["x"],
        x=data["y"],
    )

    assert ours.n == theirs["n_obs"]
    assert ours.df == close(_only(theirs["df"]))
    _compare(ours, theirs)
    explained("it divides by the average variance for Cohen's d")
    deviations = np.array([sd for _, _, _, sd in ours.groups])
    by_average_variance = ours.difference / float(np.sqrt((deviations**2).mean()))
    assert by_average_variance == close(_only(theirs["cohens_d"]))


@pytest.mark.parametrize("tested", cases_of("ttest_onesample"))
def test_one_sample_equals_the_peer(peer: PeerHospital, tested: dict[str, Any]) -> None:
    asked, theirs = tested["input"]["parameters"], tested["output"]
    mu = asked["mu"]
    ours = peer.run(
        "ttest_onesample",
        tested["input"]["inputdata"],
        {"alternative": asked["alt_hypothesis"], "mu": mu},
    )

    assert ours.n == theirs["n_obs"]
    assert ours.df == theirs["df"]
    assert abs(ours.cohens_d) == close(theirs["cohens_d"])
    _compare(ours, theirs, mu)


def _compare(ours: Any, theirs: dict[str, Any], mu: float = 0.0) -> None:
    assert ours.t == close(_only(theirs.get("statistic", theirs.get("t_value"))))
    assert ours.p_value == close(_only(theirs["p_value"]), floor=1e-300)
    assert ours.std_error == close(_only(theirs.get("se_difference", theirs.get("se_diff"))))
    assert ours.difference + mu == close(_only(theirs["mean_diff"]))
    assert ours.lower + mu == close(float(_only(theirs["ci_lower"])))
    assert ours.upper + mu == close(float(_only(theirs["ci_upper"])))


def _only(value: Any) -> Any:
    return value[0] if isinstance(value, list) else value
