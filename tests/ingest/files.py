"""Small files and the models that they belong to, for the tests of importing."""

from medmip.catalogue.data_model import DataModel
from tests.store.models import integer, nominal, real, text

WARD = DataModel(
    code="ward",
    version="1.0",
    label="Ward",
    variables=(
        nominal("dataset"),
        text("subjectcode"),
        integer("age", 0, 120),
        real("volume", 0, 100),
        nominal("gender", "F", "M"),
        nominal("apoe4", "0", "1", "2"),
        nominal("code", "NA", "T", "F", "007"),
        text("remark"),
    ),
)
"""Its variable `dataset` has no levels: any dataset may be published."""

CLOSED = DataModel(
    code="closed",
    version="1.0",
    label="Closed",
    variables=(nominal("dataset", "north", "south"), *WARD.variables[1:]),
)
VISITS = DataModel(
    code="visits",
    version="1.0",
    label="Visits",
    longitudinal=True,
    variables=(text("subjectid"), nominal("visitid", "BL", "M6", "M12"), real("volume")),
)

CLEAN = "subjectcode,age,volume,gender\np1,40,1.5,F\np2,50,2.5,M\np3,,,\n"
SECRET = "Zaphod"
"""A patient's value that must not be told by any message."""


def rows(*lines, header="subjectcode,age,volume,gender"):
    return "\n".join([header, *lines]) + "\n"
