"""The hospital's policy: read strictly, in force everywhere, written down when it changes."""

import pytest

from medmip.experiments.service import ExperimentService
from medmip.privacy.policy import Policy, PolicyError, site_policy


def test_without_a_file_the_defaults_hold(home):
    assert site_policy(home) == Policy()


def test_the_file_states_only_what_differs(home):
    home.policy.write_text('minimum_cell = 20\noverlap = "records"\n')
    assert site_policy(home) == Policy(minimum_cell=20, overlap="records")


@pytest.mark.parametrize(
    "text, told",
    [
        ("minimum_cell = 0", "minimum_cell"),
        ('minimum_cell = "10"', "minimum_cell"),
        ("minimum_cels = 10", "minimum_cels"),
        ("extremes = 1", "extremes"),
        ('overlap = "none"', "overlap"),
        ("minimum_cell", "not TOML"),
        ("\xff", "not TOML"),
    ],
)
def test_what_is_not_understood_lets_nothing_out(home, text, told):
    home.policy.write_bytes(text.encode("latin-1"))
    with pytest.raises(PolicyError, match=told) as error:
        site_policy(home)
    assert error.value.where == "policy.toml"
    with pytest.raises(PolicyError):
        ExperimentService(home)


def test_every_policy_in_force_is_written_down_once(home):
    for text in ("", "minimum_cell = 20", "minimum_cell = 20", ""):
        home.policy.write_text(text)
        service = ExperimentService(home)
        service.close()
    rows = [row for row in service.ledger.rows() if row.statistic == "policy"]
    assert [row.verdict for row in rows] == ["in force"] * 3
    assert [Policy.model_validate_json(row.reason).minimum_cell for row in rows] == [10, 20, 10]
    assert service.ledger.verify() is None
