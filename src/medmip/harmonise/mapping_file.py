"""The YAML of a mapping: every scalar is text, nothing is said twice, nothing is executed."""

import hashlib
from collections.abc import Hashable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml
from pydantic import ValidationError

from medmip.errors import FieldProblem
from medmip.harmonise.errors import MappingError
from medmip.harmonise.mapping import Mapping

_MAXIMUM_BYTES = 4 * 2**20
SHIPPED = (
    "adnimerge",
    "adnimerge_longitudinal",
    "edsd",
    "fhir_r4",
    "i2b2",
    "omop_5_4",
    "ppmi_curated",
)


@dataclass(frozen=True)
class MappingFile:
    """A mapping and the bytes it was read from, which are kept with what is published."""

    mapping: Mapping
    content: bytes

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


class _Loader(yaml.BaseLoader):
    """All scalars are text, so that no code `NO` becomes false; aliases are refused."""

    def compose_node(
        self, parent: yaml.Node | None, index: int | yaml.Node | None
    ) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = parent.start_mark if parent is not None else None
            raise yaml.MarkedYAMLError(
                problem="aliases (*) are not used in a mapping", problem_mark=mark
            )
        return super().compose_node(parent, index)  # type: ignore[arg-type]

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        found: dict[Hashable, object] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in found:
                raise yaml.MarkedYAMLError(
                    problem=f"“{key}” is there twice", problem_mark=key_node.start_mark
                )
            found[key] = self.construct_object(value_node, deep=deep)
        return found


def read_mapping(path: Path) -> MappingFile:
    """The mapping of a file, or one that comes with MIP by its name; raises MappingError."""
    if str(path) in SHIPPED and not path.exists():
        return shipped_mapping(str(path))
    try:
        if path.stat().st_size > _MAXIMUM_BYTES:
            raise MappingError("The mapping is longer than 4 MiB.", where=str(path))
        content = path.read_bytes()
    except OSError as error:
        raise MappingError(
            f"It cannot be read: {error.strerror}.",
            where=str(path),
            remedy=f"Name a file, or one of {', '.join(SHIPPED)}.",
        ) from None
    return parse_mapping(content, str(path))


def shipped_mapping(name: str) -> MappingFile:
    """A mapping that comes with MIP."""
    file = files("medmip.harmonise") / "shipped" / f"{name}.yaml"
    return parse_mapping(file.read_bytes(), f"{name}.yaml")


def parse_mapping(content: bytes, where: str) -> MappingFile:
    """The mapping in YAML; raises MappingError with every problem under its path."""
    try:
        document = yaml.load(content, _Loader)  # noqa: S506 - a BaseLoader makes texts only
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise MappingError(
            f"It is not valid YAML: {error.problem}.", where=f"{where}{line}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError):
        raise MappingError("It is not valid YAML.", where=where) from None
    try:
        return MappingFile(Mapping.model_validate(document), content)
    except ValidationError as error:
        fields = tuple(
            FieldProblem(
                ".".join(str(part) for part in problem["loc"] if part != "function-before") or "$",
                problem["msg"].removeprefix("Value error, "),
            )
            for problem in error.errors()
        )
        raise MappingError(
            f"{len(fields)} problem{'s' if len(fields) > 1 else ''} in the mapping.",
            where=where,
            remedy="The mapping's format is in the documents, under Mappings.",
            fields=fields,
        ) from None
