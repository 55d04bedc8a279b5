"""What a person at a site is shown before they agree to an analysis."""

from pathlib import Path
from typing import Any

import pytest

from medmip.catalogue.data_model import DataModel
from medmip.federation.approvals import Approvals
from medmip.federation.request import CohortRequest
from medmip.federation.site_runs import AlgorithmAsked, Opening
from medmip.federation.specification import CohortSpec
from medmip.privacy.guard import Refused
from medmip.store.engine import Partition
from medmip.store.visits import How, Taken, Visits
from tests.analysis import Witnessed
from tests.store.models import real, text

MODEL = DataModel(
    code="visits",
    version="1",
    label="Visits",
    longitudinal=True,
    variables=(text("subjectid"), text("visitid"), text("dataset"), real("age"), real("volume")),
)
SLOPE = Visits(taken=(("volume", Taken(How.SLOPE)),), column="visitid")


def shown(folder: Path, **options: object) -> tuple[str, ...]:
    """The steps of a wish that a site keeps of this cohort."""
    (age, volume) = (MODEL.variable(code) for code in ("age", "volume"))
    fields: dict[str, Any] = {"missing": "drop"} | options
    spec = CohortSpec(MODEL, ("ward",), (volume,), (age,), None, **fields)
    asked = (AlgorithmAsked("describe", "1"),)
    approvals = Approvals(folder / "approvals.json", Witnessed())
    with pytest.raises(Refused, match="Dr Weiss has to agree"):
        approvals.check(Opening("carla", asked, CohortRequest.of(spec), "1"), "Dr Weiss")
    (wish,) = approvals.list()
    return wish.steps


@pytest.mark.parametrize(
    "options, steps",
    [
        ({}, []),
        ({"missing": "keep"}, ["Records with missing values are kept"]),
        ({"gaps": ("age",)}, ["Missing values are filled in: age"]),
        (
            {"adjustable": True},
            ["Values are changed record by record first, such as standardised or harmonised"],
        ),
        (
            {"partition": Partition(5, 1, "subjectid")},
            ["Patients are dealt into 5 groups, each told of apart"],
        ),
        (
            {"partition": Partition(0, 1, "subjectid")},
            ["Each dataset is told of apart, and all the others without it"],
        ),
        (
            {"visits": SLOPE},
            [
                "One record is made of a patient’s visits: slope of volume, the first value of "
                "any other variable"
            ],
        ),
    ],
)
def test_a_person_is_shown_how_records_are_divided_and_prepared(
    tmp_path: Path, options: dict[str, object], steps: list[str]
) -> None:
    assert list(shown(tmp_path, **options)) == steps
