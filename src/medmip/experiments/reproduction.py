"""Code that asks for an experiment again: over HTTP, from a shell, in Python there or here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Any

from pydantic import BaseModel, ConfigDict

from medmip.experiments.request import Request
from medmip.experiments.validate import Folds, HoldOut, LeaveOneDatasetOut

ADDRESS = "http://127.0.0.1:8080"
"""Where `mip serve` answers, unless it is told otherwise."""
_AUTHORIZATION = "Authorization: Bearer $MIP_TOKEN"
"""The header of an access token that the shell's environment holds."""
_OPTIONAL = ("y", "x", "filters")
_WIDTH = 72
"""Characters of a list that stays on one line."""
_IMPORTS = "from medmip.catalogue.home import Home"
_FEDERATED_IMPORTS = """from contextlib import ExitStack

from medmip.catalogue.home import Home
from medmip.cli.federated import sites_of"""
_RUN = """service = ExperimentService(Home.default().prepare())
experiment = service.run(request)
service.close()"""
_FEDERATED_RUN = """with ExitStack() as connected:
    home = Home.default().prepare()
    service = ExperimentService(home, sites=sites_of(home, connected))
    experiment = service.run(request)
    service.close()"""


@dataclass(frozen=True)
class _Language:
    """How a language writes what JSON can say; last stands after the last part of several lines."""

    words: Mapping[bool | None, str]
    indent: str
    last: str


_PYTHON = _Language({None: "None", True: "True", False: "False"}, "    ", ",")
_JSON = _Language({None: "null", True: "true", False: "false"}, "  ", "")


class RequestCode(BaseModel):
    """The same request in several languages; none of them holds a secret.

    client is Python by the client of a portal, python by the package on the server's own machine.
    """

    model_config = ConfigDict(frozen=True)

    curl: str
    shell: str
    client: str
    python: str


def code_of(
    request: Request, address: str = ADDRESS, *, token: bool, federated: bool
) -> RequestCode:
    """The code that asks for a request.

    address is the portal's; token tells whether it wants to know who asks; federated, whether the
    request goes to the hospitals of a federation.
    """
    return RequestCode(
        curl=_curl(request, address, token=token),
        shell=_shell(request),
        client=_client(request, address, token=token),
        python=_python(request, federated=federated),
    )


def document_of(request: Request) -> dict[str, Any]:
    """The request as JSON, without what it leaves at its default."""
    whole = request.model_dump(mode="json")
    data = whole["inputdata"]
    whole["inputdata"] = {
        name: value for name, value in data.items() if name not in _OPTIONAL or value is not None
    }
    if whole["preparation"] is not None:
        parts = whole["preparation"]
        whole["preparation"] = {name: part for name, part in parts.items() if part is not None}
    for analysis in (whole, *whole["compare"]):
        for name in ("parameters", "grid"):
            if not analysis[name]:
                del analysis[name]
    for name in ("validation", "preparation", "compare"):
        if not whole[name]:
            del whole[name]
    if whole["on_loss"] == "fail":
        del whole["on_loss"]
    order = ("algorithm", "inputdata", "parameters")
    return {name: whole[name] for name in sorted(whole, key=lambda name: _place(name, order))}


def _place(name: str, order: Sequence[str]) -> int:
    return order.index(name) if name in order else len(order)


def _json(value: object) -> str:
    return _literal(value, 1, _JSON)


def _curl(request: Request, address: str, *, token: bool) -> str:
    place = quote(f"{address.rstrip('/')}/api/v1/experiments")
    lines = [f"curl -s {place}", "-H 'Content-Type: application/json'"]
    if token:
        lines.append(f'-H "{_AUTHORIZATION}"')
    lines.append(f"-d {quote(_json(document_of(request)))}")
    return " \\\n  ".join(lines)


def _shell(request: Request) -> str:
    """The command line with options where they can say it all, else with the request itself."""
    options = _options(request)
    if options is None:
        return _here("mip run --request -", document_of(request))
    parts = [f"mip run {quote(request.algorithm)}"]
    parts += [f"{name} {quote(value)}" if value else name for name, value in options]
    command = " \\\n  ".join(parts)
    filters = request.inputdata.filters
    return command if filters is None else _here(f"{command} \\\n  --filter -", filters)


def _here(command: str, document: object) -> str:
    # No line of JSON is this word alone: whatever a value holds, it stands between quotes.
    return f"{command} <<'JSON'\n{_json(document)}\nJSON"


def _options(request: Request) -> list[tuple[str, str]] | None:
    """Options of `mip run` with their values; None where they cannot say the whole request."""
    data = request.inputdata
    others = [analysis for analysis in request.compare if analysis.parameters or analysis.grid]
    if request.preparation or others or request.on_loss != "fail":
        return None
    if request.algorithm.startswith("-"):
        return None
    options = [("--model", data.data_model)]
    for name, codes in (("datasets", data.datasets), ("y", data.y or ()), ("x", data.x or ())):
        if any("," in code or code != code.strip() or not code for code in codes):
            return None
        options += [(f"--{name}", ",".join(codes))] if codes else []
    for name, value in request.parameters.items():
        if "=" in name:
            return None
        options.append(("--parameter", f"{name}={_option(value)}"))
    for name, values in request.grid.items():
        if "=" in name:
            return None
        options.append(("--grid", f"{name}={_option(list(values))}"))
    options += [("--compare", analysis.algorithm) for analysis in request.compare]
    match request.validation:
        case Folds() as folds:
            if folds.seed != Folds().seed:
                return None
            options.append(("--folds", str(folds.folds)))
        case HoldOut() as held:
            options.append(("--hold-out", held.dataset))
        case LeaveOneDatasetOut():
            options.append(("--leave-one-dataset-out", ""))
    return options


def _option(value: object) -> str:
    """A value as `--parameter` reads it: as it is where it is no JSON, else as JSON."""
    if isinstance(value, str):
        try:
            json.loads(value)
        except json.JSONDecodeError:
            return value
    return json.dumps(value, ensure_ascii=False)


def _client(request: Request, address: str, *, token: bool) -> str:
    document = document_of(request)
    data = document.pop("inputdata")
    place = _literal(address.rstrip("/"), 1)
    known = ', token=os.environ["MIP_TOKEN"]' if token else ""
    cohort = {"model": data["data_model"], "datasets": data["datasets"]}
    if "filters" in data:
        cohort["filters"] = data["filters"]
    asked = {
        "algorithm": document.pop("algorithm"),
        "cohort": None,
        **{name: data[name] for name in ("y", "x") if name in data},
        **document,
    }
    arguments = "".join(
        f"    {name}={'cohort' if name == 'cohort' else _literal(value, 2)},\n"
        for name, value in asked.items()
    )
    imports = "import os\n\nimport medmip" if token else "import medmip"
    return f"""{imports}

mip = medmip.connect({place}{known})
cohort = {_call("mip.cohort", cohort, 1)}
result = mip.run(
{arguments})
result
"""


def _python(request: Request, *, federated: bool) -> str:
    document = document_of(request)
    fields = {name: _literal(value, 2) for name, value in document.items() if name != "inputdata"}
    arguments = {
        "algorithm": fields.pop("algorithm"),
        "inputdata": _call("InputData", document["inputdata"], 2),
        **fields,
    }
    asked = "".join(f"    {name}={value},\n" for name, value in arguments.items())
    return f"""{_FEDERATED_IMPORTS if federated else _IMPORTS}
from medmip.experiments.request import InputData, Request
from medmip.experiments.service import ExperimentService

request = Request(
{asked})
{_FEDERATED_RUN if federated else _RUN}
print(experiment.model_dump_json(indent=2))
"""


def _call(name: str, values: Mapping[str, object], depth: int) -> str:
    inner = "".join(
        f"{'    ' * depth}{key}={_literal(value, depth + 1)},\n" for key, value in values.items()
    )
    return f"{name}(\n{inner}{'    ' * (depth - 1)})"


def _literal(value: object, depth: int, language: _Language = _PYTHON) -> str:
    """A JSON value as a language writes it; depth is that of lines inside it, if it takes any."""
    if value is None or isinstance(value, bool):
        return language.words[value]
    if isinstance(value, dict):
        parts = [
            f"{_literal(str(key), depth)}: {_literal(part, depth + 1, language)}"
            for key, part in value.items()
        ]
        return _bracketed("{", parts, "}", depth, language)
    if isinstance(value, list):
        parts = [_literal(part, depth + 1, language) for part in value]
        return _bracketed("[", parts, "]", depth, language)
    # Python reads every escape of JSON's, but for a pair that stands for one character.
    return json.dumps(value, ensure_ascii=False)


def _bracketed(
    opening: str, parts: Sequence[str], closing: str, depth: int, language: _Language
) -> str:
    line = f"{opening}{', '.join(parts)}{closing}"
    if len(line) <= _WIDTH and "\n" not in line and depth > 1:
        return line
    if not parts:
        return f"{opening}{closing}"
    inner = ",\n".join(f"{language.indent * depth}{part}" for part in parts)
    return f"{opening}\n{inner}{language.last}\n{language.indent * (depth - 1)}{closing}"
