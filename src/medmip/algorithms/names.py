"""What people read: the data model's labels in the place of codes."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import Self

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable
from medmip.errors import MipError

_FACTOR = re.compile(r"([^\[\]:]+?)(\^\d|'+)?(?:\[(.*?)\])?(?::|$)")
_RAISED = {"^2": "²", "^3": "³"}
_SUPERSCRIPTS = {"2": "²", "3": "³"}


def written_unit(units: str) -> str:
    """A unit as a paper writes it: cm3 is cm³."""
    return re.sub(r"(?<=[a-z])[23]\b", lambda found: _SUPERSCRIPTS[found[0]], units)


class Names:
    """The labels of variables and levels; without a variable's label its code is shown.

    Two variables that share a label are told apart by their codes.
    """

    def __init__(self, variables: Iterable[Variable] = ()) -> None:
        self._variables = {variable.code: variable for variable in variables}
        self._often = Counter(variable.label for variable in self._variables.values())

    @classmethod
    def of(cls, model: DataModel) -> Self:
        """The labels of a data model."""
        return cls(model.all_variables.values())

    def renamed(self, variables: Iterable[Variable]) -> "Names":
        """The same, but for these variables, which are called something else."""
        changed = {variable.code: variable for variable in variables}
        return Names((self._variables | changed).values())

    def variable(self, code: str) -> str:
        """A variable's label."""
        found = self._variables.get(code)
        if found is None or not found.label:
            return code
        return found.label if self._often[found.label] == 1 else f"{found.label} ({code})"

    def axis(self, code: str) -> str:
        """A variable's label with its unit, as an axis is titled."""
        found = self._variables.get(code)
        return self.variable(code) + (
            f" ({written_unit(found.units)})" if found and found.units else ""
        )

    def level(self, variable: str, code: str) -> str:
        """The label of a variable's level."""
        found = self._variables.get(variable)
        if found is None:
            return code
        try:
            return found.level_label(code) or code
        except MipError:
            return code

    def term(self, text: str) -> str:
        """The label of a design's column, such as `gender[F]:age`: "Gender: female × Age".

        A power such as `age^2` and a spline's curved column such as `age'` keep their marks.
        """
        factors = [
            self.variable(code)
            + _RAISED.get(curve, curve.replace("'", "′"))
            + (f": {self.level(code, level)}" if level else "")
            for code, curve, level in _FACTOR.findall(text)
        ]
        return " × ".join(factors) or text


CODES = Names()
"""Codes as they are."""
