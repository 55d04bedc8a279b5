"""Risks as the literature defines them, on classes small enough to count by hand."""

import numpy as np
import pytest

from medmip.anonymise.risk import risk


def test_risks_of_three_classes():
    told = risk(np.array([2, 3, 5]), 3)
    assert (told.classes, told.smallest) == (3, 2)
    assert told.prosecutor == 0.5
    assert told.prosecutor_average == told.marketer == pytest.approx(3 / 10)
    assert told.journalist == 0.5
    assert told.at_risk == pytest.approx(2 / 10)


def test_a_larger_population_protects_from_journalist_and_marketer():
    told = risk(np.array([2, 3, 5]), 3, population=100)
    assert told.prosecutor == 0.5
    assert told.journalist == pytest.approx(0.05)
    assert told.marketer == pytest.approx(0.03)


def test_a_population_smaller_than_the_dataset_protects_nobody():
    assert risk(np.array([4]), 3, population=2).journalist == 0.25
