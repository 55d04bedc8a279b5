"""Volumes beside those of patients of like age and sex: old brains are small, and rightly so."""

import numpy as np
import pytest

from medmip.imaging.identity import identity_of
from medmip.imaging.people import Person, people_of
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.adjustment import ADJUSTED_AT_LEAST, robust_slopes
from medmip.imaging.volumetry.record import kept
from medmip.imaging.volumetry.reference import FAR, Flag, judged
from medmip.imaging.volumetry.review import ReviewDecision, decide
from medmip.imaging.volumetry.sheet import sheet_of
from tests.imaging.reviewable import reviewable
from tests.imaging.ward import FLAT, ledger, publish_flat

CODE = "left_nucleus"


def shrunken(record, factor):
    """A measurement whose nucleus, and no more, is so many times as large."""
    volumes = [
        one.model_copy(update={"cm3": one.cm3 * (factor if one.code == CODE else 1)})
        for one in record.volumes
    ]
    return record.model_copy(update={"volumes": tuple(volumes)})


def size_at(person):
    """A nucleus loses a hundredth a year from 40, and is a twentieth smaller in women."""
    return (1 - 0.01 * (person.age - 40)) * (0.95 if person.sex == "F" else 1)


@pytest.fixture
def usual(home):
    return kept(reviewable(home, "new"))


@pytest.fixture
def ward(usual):
    """Measurements and whose they are; young ones for the most part."""
    random = np.random.default_rng(7)
    people = [
        Person(40 + 45 * float(random.random()) ** 3, "FM"[number % 2]) for number in range(60)
    ]
    noise = 1 + 0.01 * random.standard_normal(len(people))
    records = [
        shrunken(usual, size_at(one) * wave) for one, wave in zip(people, noise, strict=True)
    ]
    return records, people


def seen(found):
    return next(one for one in found.volumes if one.code == CODE)


def test_an_old_brain_is_far_from_a_young_ward_and_as_others_of_its_age(usual, ward):
    records, people = ward
    old = Person(84.0, "F")
    own = shrunken(usual, size_at(old))
    plain = judged(own, records)
    assert (plain.like, seen(plain).z < -2) == (0, True)
    found = judged(own, records, old, people)
    assert (found.like, found.scans) == (60, 60)
    assert abs(seen(found).z) < 2
    # The same volume at fifty is no volume of fifty.
    young = judged(own, records, Person(50.0, "F"), people)
    assert seen(young).z < -FAR
    assert Flag.FAR in seen(young).flags


@pytest.mark.parametrize(
    "own, spoil, why",
    [
        (None, lambda people: people, "age and sex are unknown"),
        (Person(60, "X"), lambda people: people, "nobody else has this sex"),
        (Person(99, "F"), lambda people: people, "nobody else is so old"),
        (
            Person(60, "F"),
            lambda people: [*people[: ADJUSTED_AT_LEAST - 1], *[None] * 31],
            "too few",
        ),
        (
            Person(60, "F"),
            lambda people: [None if one.sex == "F" else one for one in people],
            "no other woman is known",
        ),
    ],
)
def test_nothing_is_adjusted_where_too_little_is_known(usual, ward, own, spoil, why):
    records, people = ward
    found = judged(usual, records, own, spoil(people))
    assert found.like == 0, why
    assert found.model_dump() == judged(usual, records).model_dump()


def test_a_few_ill_brains_do_not_turn_the_fit():
    random = np.random.default_rng(2)
    ages = random.uniform(50, 90, 60)
    design = np.column_stack([ages, np.arange(60) % 2, np.ones(60)])
    values = 8 - 0.05 * ages + 0.4 * design[:, 1] + 0.05 * random.standard_normal(60)
    values[np.argsort(ages)[-6:]] -= 3
    slopes = robust_slopes(design, values)
    assert slopes[0] == pytest.approx(-0.05, abs=0.005)
    assert slopes[1] == pytest.approx(0.4, abs=0.05)
    assert slopes[2] == 0
    assert np.polyfit(ages, values, 1)[0] < -0.07


def test_age_and_sex_are_those_of_the_clinical_rows(home):
    publish_flat(home)
    who = identity_of(home, FLAT.key, "clinic")
    named = [who.patient(f"p{number}") for number in range(4)]
    assert people_of(home, named) == {}
    settings = home.configuration.read_text()
    said = f'model = "{FLAT.key}"\ndataset = "clinic"\n'
    home.configuration.write_text(settings + said)
    found = people_of(home, [*named, "stranger"])
    assert found == {one: Person(50.0 + i, "FM"[i % 2]) for i, one in enumerate(named)}
    home.configuration.write_text(settings + said + 'age = "ourage"\n')
    assert people_of(home, named) == {}
    home.configuration.write_text(settings + said.replace("clinic", "lost"))
    assert people_of(home, named) == {}


def test_the_sheet_tells_by_how_many_it_adjusted_and_nothing_of_them(home):
    publish_flat(home)
    home.configuration.write_text(
        home.configuration.read_text() + f'model = "{FLAT.key}"\ndataset = "clinic"\n'
    )
    who = identity_of(home, FLAT.key, "clinic")
    book = ledger(home)
    for number in range(ADJUSTED_AT_LEAST + 1):
        change = {"tiv": 1 + number / 500, CODE: 1 + (number * 7 % 11) / 200}
        name = f"s{number:02}"
        reviewable(home, name, patient=who.patient(f"p{number}"), change=change, seed=number)
        if number:
            decide(home, book, name, ReviewDecision.ACCEPT, "clear", "dora")
    sheet = sheet_of(Shelf(home), "s00", lambda patients: people_of(home, patients))
    assert sheet.measurement.judgement.like == ADJUSTED_AT_LEAST
    assert seen(sheet.measurement.judgement).z is not None
    told = sheet.model_dump_json()
    assert who.patient("p1") not in told
    assert '"F"' not in told
    assert sheet_of(Shelf(home), "s00").measurement.judgement.like == 0
