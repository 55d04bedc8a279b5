"""A new algorithm's package: a working file, its test, and the entry point that offers it."""

import keyword
import re
from pathlib import Path
from string import Template

from medmip.algorithms.registry import registry
from medmip.errors import Conflict, RequestError

_NAME = re.compile(r"[a-z][a-z0-9_]{2,60}")

_PROJECT = Template("""\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "mip-$dashed"
version = "0.1.0"
description = "$label for MIP"
requires-python = ">=3.11"
dependencies = ["medmip"]

[project.entry-points."medmip.algorithms"]
$name = "$name:$name"

[tool.setuptools]
py-modules = ["$name"]
""")

_ALGORITHM = Template('''\
"""$label: say in one line what it answers."""

import numpy as np
from pydantic import Field

from medmip.algorithms.declaration import CannotCompute, Parameters, Result, algorithm
from medmip.algorithms.names import CODES, Names
from medmip.algorithms.role import NUMERIC, one
from medmip.algorithms.views import View, facts
from medmip.fold.cohort import Cohort
from medmip.fold.moments import MomentsState, moments


class ${camel}Parameters(Parameters):
    """Parameters of $label; title, description and bounds make the portal's form."""

    unit: float = Field(1.0, gt=0, title="Unit", description="The figures are told in this unit.")


class ${camel}Result(Result):
    """The mean and the standard deviation of a variable, over n records."""

    variable: str
    n: int
    mean: float
    standard_deviation: float

    def views(self, names: Names = CODES) -> list[View]:
        return [
            facts(
                names.variable(self.variable),
                [
                    ("Records", self.n, "integer"),
                    ("Mean", self.mean, "number"),
                    ("Standard deviation", self.standard_deviation, "number"),
                ],
            )
        ]


@algorithm(
    "$name",
    label="$label",
    question="Describe",
    description="The mean and the spread of one numeric variable.",
    discloses="The mean and the standard deviation over the whole cohort; no value of any patient.",
    y=one(NUMERIC, "Variable"),
    parameters=${camel}Parameters,
)
def $name(cohort: Cohort, parameters: ${camel}Parameters) -> ${camel}Result:
    """The mean and the standard deviation, with denominator n - 1; raises CannotCompute."""
    (variable,) = cohort.y
    design = cohort.design(cohort.y)
    folded = cohort.fold(moments, MomentsState(design), cells=design.labels)
    n = int(folded.records)
    if n < 2:
        raise CannotCompute("A spread needs at least two records")
    return ${camel}Result(
        variable=variable.code,
        n=n,
        mean=float(folded.mean[0]) / parameters.unit,
        standard_deviation=float(np.sqrt(folded.covariance[0, 0])) / parameters.unit,
    )
''')

_TEST = Template('''\
"""$label against NumPy, and what every algorithm must hold."""

import numpy as np
import pytest
from medmip.authoring.analysis import analyse
from medmip.authoring.check import check

from $name import $name


def test_equals_numpy() -> None:
    values = np.random.default_rng(1).normal(5, 2, 200)
    found = analyse($name, {"v": values}, y=["v"])
    assert found.n == 200
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.standard_deviation == pytest.approx(values.std(ddof=1), rel=1e-12)


def test_holds_every_demand() -> None:
    assert [part for part in check($name) if not part.passed] == []
''')


def begin(name: str, folder: Path) -> list[Path]:
    """Writes a new algorithm's package into folder/name; raises RequestError, Conflict."""
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        raise RequestError(
            f"{name!r} cannot be an algorithm's name",
            remedy="Use 3 to 60 small letters, digits and underscores, a letter first.",
        )
    if name in registry():
        raise Conflict(f"There is an algorithm {name} already", remedy="Choose another name.")
    place = folder / name
    try:
        place.mkdir()
    except FileExistsError:
        raise Conflict(f"{place} is there already", remedy="Choose another name.") from None
    except OSError as error:
        raise RequestError(f"cannot be made: {error.strerror}", where=str(place)) from None
    words = {
        "name": name,
        "dashed": name.replace("_", "-"),
        "label": name.replace("_", " ").capitalize(),
        "camel": "".join(part.capitalize() for part in name.split("_")),
    }
    written = []
    for file, template in (
        ("pyproject.toml", _PROJECT),
        (f"{name}.py", _ALGORITHM),
        (f"test_{name}.py", _TEST),
    ):
        path = place / file
        path.write_text(template.substitute(words), encoding="utf-8")
        written.append(path)
    return written
