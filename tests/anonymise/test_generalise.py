"""k-anonymity, l-diversity and t-closeness: kept on the file, with the least loss of all."""

from itertools import product

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medmip.anonymise import generalise
from medmip.anonymise.errors import AnonymisationError
from medmip.anonymise.generalise import carry_out, plan
from medmip.anonymise.settings import QuasiIdentifier
from medmip.ingest.session import Session
from tests.anonymise.cohort import COHORT, QUASI, asked, table, written

LONGITUDINAL = COHORT.model_copy(update={"longitudinal": True})


@pytest.fixture
def made(tmp_path):
    """Generalises a table; returns what was told, the published table, the plan's measure."""

    def making(records, rule, model=COHORT, name="cohort"):
        session = Session(tmp_path, "512MB")
        file = written(tmp_path, records, f"{name}.parquet")
        found = plan(session, file, model, rule, {"subjectageyears": 90.0})
        target = tmp_path / f"{name}.out.parquet"
        carry_out(session, file, target, found, longitudinal=model.longitudinal)
        session.close()
        return found.generalised, pq.read_table(target)

    return making


def classes(frame, quasi):
    return frame.groupby(list(quasi), dropna=False)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10_000),
    patients=st.integers(30, 300),
    k=st.integers(2, 12),
    suppression=st.sampled_from([0.0, 0.05, 0.3]),
)
def test_every_class_has_at_least_k_patients(made, seed, patients, k, suppression):
    told, out = made(table(seed, patients), asked(k=k, suppression=suppression))
    sizes = classes(out.to_pandas(), QUASI).size()
    assert sizes.min() >= k
    assert told.after.smallest == sizes.min()
    assert out.num_rows >= (1 - suppression) * patients
    assert 1 - out.num_rows / patients == pytest.approx(told.suppressed, abs=1e-6)
    assert sorted(out["__patient"].to_pylist()) == list(range(out.num_rows))


@pytest.mark.parametrize("suppression", [0.0, 0.1])
@pytest.mark.parametrize(
    "sensitive", [{}, {"diagnosis": {"distinct": 3}}, {"score": {"closeness": 0.35}}]
)
@pytest.mark.parametrize("seed", range(4))
def test_nothing_in_the_whole_lattice_loses_less(
    tmp_path, monkeypatch, seed, sensitive, suppression
):
    """Every node is tried in pandas, by definitions written down anew."""
    rule = asked(k=4, suppression=suppression, sensitive=sensitive)
    records = table(seed, 150)
    file = written(tmp_path, records)
    trials = {}
    search = generalise.least_loss

    def watched(losses, trial, *, monotone):
        shape = [range(len(steps)) for steps in losses]
        trials.update({node: trial(node) for node in product(*shape)})
        return search(losses, trial, monotone=monotone)

    monkeypatch.setattr(generalise, "least_loss", watched)
    session = Session(tmp_path, "512MB")
    try:
        found = plan(session, file, COHORT, rule, {}).generalised
    except AnonymisationError:
        found = None
    enough = {}
    for node, tried in trials.items():
        columns = {name: hierarchy_sql(name, step) for name, step in zip(QUASI, node, strict=True)}
        replaced = ", ".join(f"{sql} AS {name}" for name, sql in columns.items())
        frame = session.arrow(f"SELECT * REPLACE ({replaced}) FROM read_parquet('{file}')")
        bad = sum(
            len(group)
            for _, group in classes(frame.to_pandas(), QUASI)
            if breaks(group, frame.to_pandas(), rule)
        )
        expected = bad <= int(suppression * 150) and bad < 150
        assert tried.enough == expected, node
        if expected:
            enough[node] = tried.loss
    session.close()
    if found is None:
        assert not enough
    else:
        assert found.loss == pytest.approx(min(enough.values()), abs=1e-6)


def hierarchy_sql(name, step):
    from medmip.anonymise.hierarchy import hierarchy

    return hierarchy(COHORT.variable(name), QUASI[name]).sql(step)


def breaks(group, frame, rule):
    if len(group) < rule.k:
        return True
    for name, sensitive in rule.sensitive.items():
        if sensitive.distinct and group[name].nunique(dropna=False) < sensitive.distinct:
            return True
        if sensitive.closeness:
            values = sorted(frame[name].unique())
            p = np.array([(group[name] == value).mean() for value in values])
            q = np.array([(frame[name] == value).mean() for value in values])
            far = np.abs(np.cumsum(p - q)).sum() / (len(values) - 1)
            if far > sensitive.closeness + 1e-9:
                return True
    return False


def test_patients_are_counted_not_their_visits(made):
    records = table(1, 60, visits=3).rename_columns(
        ["subjectid" if name == "subjectcode" else name for name in table(1, 1).column_names]
    )
    told, out = made(records, asked(k=5, suppression=0.2), LONGITUDINAL)
    people = classes(out.to_pandas(), QUASI)["__patient"].nunique()
    assert people.min() >= 5
    assert told.after.smallest == people.min()
    numbers = out["__patient"].to_numpy()
    assert set(numbers) == set(range(numbers.max() + 1))


def test_a_generalised_value_is_one_of_the_data_model(made):
    records = table(3, 200)
    told, out = made(records, asked(k=20, suppression=0.0))
    assert sum(told.levels.values()) > 0
    ages = [age for age in out["subjectageyears"].to_pylist() if age is not None]
    assert all(0 <= age <= 120 for age in ages)
    assert set(out["school"].to_pylist()) <= {None, *COHORT.variable("school").levels}
    assert out.schema.field("subjectageyears").type == records.schema.field("subjectageyears").type


def test_the_top_code_stays_the_highest_age(made):
    records = table(4, 100)
    ages = [90 if index < 40 else 70 for index in range(100)]
    records = records.set_column(1, "subjectageyears", [ages])
    rule = asked(
        k=20,
        suppression=0.0,
        quasi_identifiers={"subjectageyears": {"intervals": [20]}, "height": {}},
    )
    _, out = made(records, rule)
    assert {age for age in out["subjectageyears"].to_pylist() if age} <= {69, 70, 89, 90}


def test_what_cannot_be_reached_is_told(made):
    with pytest.raises(AnonymisationError, match="No generalisation"):
        made(table(5, 50), asked(k=51, suppression=0.0))


def test_a_level_that_the_model_does_not_know_is_refused(made):
    quasi = {"school": QuasiIdentifier(parents=({"none": "little"},))}
    with pytest.raises(AnonymisationError, match="has no level little"):
        made(table(6, 50), asked(quasi_identifiers=quasi))


def test_a_variable_that_is_not_published_is_refused(made):
    with pytest.raises(AnonymisationError, match="volume is not among"):
        made(table(6, 50), asked(quasi_identifiers={"volume": {}}))
