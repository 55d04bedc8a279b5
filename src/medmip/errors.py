"""The one family of errors that people meet: what is wrong, where, and what to do."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that breaks a rule; path is a JSON path such as `inputdata.y[0]`."""

    path: str
    message: str


class MipError(Exception):
    """An error for the person who meets it; never carries a patient's value.

    what names the offending thing and the rule, where the file, row, column or JSON path,
    remedy what to do next, fields each single problem when there are several.
    """

    title: ClassVar[str] = "The request failed"
    status: ClassVar[int] = 400

    def __init__(
        self,
        what: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        fields: tuple[FieldProblem, ...] = (),
    ) -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        self.fields = fields
        super().__init__(what)

    def __str__(self) -> str:
        sentence = f"{self.where}: {self.what}" if self.where else self.what
        for problem in self.fields:
            sentence += f"\n  {problem.path}: {problem.message}"
        return f"{sentence}\n{self.remedy}" if self.remedy else sentence


class NotFound(MipError):
    """Something that was asked for by name does not exist here."""

    title = "Not found"
    status = 404


class RequestError(MipError):
    """A request that breaks its declaration; fields names each offending field."""

    title = "The request is not valid"
    status = 422


class Conflict(MipError):
    """A change that the present state does not allow."""

    title = "Not possible in the present state"
    status = 409
