"""A scan goes to its patient's nearest visit or nowhere; what is as near as another is told."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from medmip.imaging.publication.matching import DatedScan, Fate, Visit, matched

DAY = date(2020, 1, 1)


def scan(name, day=None, patient="a"):
    return DatedScan(name, patient, None if day is None else DAY + timedelta(days=day))


def visit(row, day=None, patient="a"):
    return Visit(row, patient, None if day is None else DAY + timedelta(days=day))


def test_the_nearest_visit_within_the_window_counts():
    done = matched([scan("x", 100)], [visit(0, 0), visit(1, 180)], 90)
    assert done.joined == {1: "x"}
    assert matched([scan("x", 90)], [visit(0, 0), visit(1, 180)], 90).fates == {"x": Fate.AMBIGUOUS}
    assert matched([scan("x", 91)], [visit(0, 0)], 90).fates == {"x": Fate.OUTSIDE}
    assert matched([scan("x", 90)], [visit(0, 0)], 90).joined == {0: "x"}


def test_the_nearer_of_two_scans_counts_and_none_of_two_that_are_as_near():
    done = matched([scan("x", 5), scan("y", -4)], [visit(0, 0)], 90)
    assert done.joined == {0: "y"}
    assert done.fates == {"x": Fate.SPARE, "y": Fate.JOINED}
    done = matched([scan("x", 5), scan("y", -5), scan("z", 6)], [visit(0, 0)], 90)
    assert done.joined == {}
    assert [done.fates[name] for name in "xyz"] == [Fate.AMBIGUOUS, Fate.AMBIGUOUS, Fate.SPARE]


def test_what_has_no_date_is_not_guessed_where_dates_count():
    assert matched([scan("x")], [visit(0, 0)], 90).fates == {"x": Fate.UNDATED}
    assert matched([scan("x", 0)], [visit(0)], 90).fates == {"x": Fate.UNDATED}


def test_without_dates_the_youngest_scan_of_a_patient_with_one_row_counts():
    done = matched([scan("x", 5), scan("y", 9), scan("z", 9, "b")], [visit(0)], None)
    assert done.joined == {0: "y"}
    assert done.fates == {"x": Fate.SPARE, "y": Fate.JOINED, "z": Fate.NO_PATIENT}
    assert matched([scan("x"), scan("y", 9)], [visit(0)], None).count(Fate.AMBIGUOUS) == 2
    assert matched([scan("x", 1)], [visit(0), visit(1)], None).fates == {"x": Fate.AMBIGUOUS}


_DAYS = st.integers(-40, 40) | st.none()
_SCANS = st.lists(st.tuples(_DAYS, st.sampled_from("abc")), max_size=8)


@given(_SCANS, _SCANS, st.integers(0, 40) | st.none())
def test_no_scan_is_lost_or_used_twice_and_none_goes_to_another_patient(given_scans, rows, window):
    scans = [scan(str(n), day, who) for n, (day, who) in enumerate(given_scans)]
    visits = [visit(n, day, who) for n, (day, who) in enumerate(rows)]
    done = matched(scans, visits, window)
    assert set(done.fates) == {one.id for one in scans}
    assert len(set(done.joined.values())) == len(done.joined) == done.count(Fate.JOINED)
    by_id = {one.id: one for one in scans}
    for row, name in done.joined.items():
        found = by_id[name]
        assert found.patient == visits[row].patient
        if window is not None:
            away = abs((found.day - visits[row].day).days)
            days = [one.day for one in visits if one.patient == found.patient and one.day]
            assert away <= window
            assert away == min(abs((found.day - day).days) for day in days)
    assert matched(scans[::-1], visits, window) == done
