"""What a client meets instead of an answer."""

from collections.abc import Mapping

from medmip.errors import FieldProblem, MipError

RUN_REMEDY = "Change what the message names, and run it again."


class ClientError(MipError):
    """An error of the client's; none holds the access token."""

    title = "The client cannot go on"


class Unreachable(ClientError):
    """The server does not answer, or something that is no MIP does."""

    title = "The server cannot be reached"
    status = 503


class Problem(ClientError):
    """A problem answer of the API: kind is its title, code its HTTP status."""

    def __init__(self, code: int, document: Mapping[str, object]) -> None:
        remedy = document.get("remedy")
        super().__init__(
            str(document.get("detail") or document.get("title") or f"HTTP status {code}"),
            remedy=str(remedy) if remedy else None,
            fields=_fields(document.get("errors")),
        )
        self.code = code
        self.kind = str(document.get("title") or "The request failed")

    def __str__(self) -> str:
        return f"{self.kind} ({self.code})\n{super().__str__()}"


class WithoutResult(ClientError):
    """An experiment that ended without result: experiment is its id, state how it ended."""

    title = "The experiment has no result"

    def __init__(self, experiment: str, state: str, trouble: Mapping[str, object] | None) -> None:
        told = trouble or {"detail": f"The experiment was {state}"}
        remedy = told.get("remedy") or (RUN_REMEDY if trouble else None)
        super().__init__(
            str(told.get("detail") or told.get("title") or state),
            where=f"experiment {experiment}, {state}",
            remedy=str(remedy) if remedy else None,
            fields=_fields(told.get("errors")),
        )
        self.experiment = experiment
        self.state = state


class Refused(WithoutResult):
    """The guard did not let the result out: it would have told of too few patients."""

    title = "Refused"


def _fields(errors: object) -> tuple[FieldProblem, ...]:
    if not isinstance(errors, list):
        return ()
    return tuple(
        FieldProblem(str(part.get("path", "")), str(part.get("message", "")))
        for part in errors
        if isinstance(part, dict)
    )
