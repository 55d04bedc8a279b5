"""Algorithms that others ship as Python packages: off until an administrator enables them."""

import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.registry import registry
from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.errors import Conflict, MipError, NotFound

GROUP = "medmip.algorithms"
"""The entry points that packages offer algorithms by."""


class PackageError(MipError):
    """An installed package's algorithm cannot be used."""

    title = "An algorithm's package cannot be used"


@dataclass(frozen=True)
class Offered:
    """An algorithm that an installed package offers."""

    name: str
    package: str
    version: str
    enabled: bool


def offered(home: Home) -> list[Offered]:
    """Every algorithm that installed packages offer; nothing of theirs is run to find out."""
    enabled = _enabled(home)
    return [
        Offered(point.name, _package(point), point.dist.version, _key(point) in enabled)
        for point in _points()
        if point.dist is not None
    ]


def enable(home: Home, name: str) -> Offered:
    """Lets an offered algorithm run in this home; raises NotFound, Conflict, PackageError."""
    point = _point(name)
    if name in registry():
        raise Conflict(
            f"{name} is the name of an algorithm of MIP itself",
            remedy="Ask the package's author for another name.",
        )
    loaded(point)
    _write(home, _enabled(home) | {_key(point)})
    return next(part for part in offered(home) if part.name == name)


def disable(home: Home, name: str) -> None:
    """Lets it run no more; raises NotFound where it was not enabled."""
    before = _enabled(home)
    after = {key for key in before if key.partition(" ")[0] != name}
    if after == before:
        raise NotFound(f"{name} is not enabled", remedy="See `mip algorithm list`.")
    _write(home, after)


def algorithms_of(home: Home) -> dict[str, Algorithm[Any, Any]]:
    """Every algorithm that may run in a home by name: MIP's own, and those enabled.

    Raises PackageError where an enabled one cannot be loaded.
    """
    found = dict(registry())
    enabled = _enabled(home)
    points = {_key(point): point for point in _points()}
    for key in sorted(enabled):
        if key not in points:
            name, _, package = key.partition(" ")
            raise PackageError(
                f"{package}, which offered the enabled algorithm {name}, is not installed",
                remedy=f"Install it, or run `mip algorithm disable {name}`.",
            )
        algorithm = loaded(points[key])
        found.setdefault(algorithm.name, algorithm)
    return dict(sorted(found.items(), key=lambda item: (item[1].question, item[1].label)))


def loaded(point: EntryPoint) -> Algorithm[Any, Any]:
    """The algorithm behind an entry point; raises PackageError."""
    try:
        algorithm = point.load()
    except Exception as error:
        raise PackageError(
            f"{_package(point)} stopped with {type(error).__name__} while it was loaded",
            remedy="Tell its author.",
        ) from error
    if not isinstance(algorithm, Algorithm) or algorithm.name != point.name:
        raise PackageError(
            f"{_package(point)} offers {point.name}, which is no algorithm of that name",
            remedy="Its entry point must name what `@algorithm` declared under the same name.",
        )
    return algorithm


def find_anywhere(name: str, home: Home) -> Algorithm[Any, Any]:
    """An algorithm by name, enabled or only offered, or the first that a file declares.

    Raises NotFound, PackageError.
    """
    if name.endswith(".py"):
        return _declared_in(Path(name))
    known = algorithms_of(home)
    return known[name] if name in known else loaded(_point(name))


def _declared_in(path: Path) -> Algorithm[Any, Any]:
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise NotFound(f"{path} is no Python file")
    module = module_from_spec(spec)
    # Where kernels and results are looked up by the name of their module.
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise PackageError(
            f"stopped with {type(error).__name__}: {error}", where=str(path)
        ) from error
    for member in vars(module).values():
        if isinstance(member, Algorithm) and member.run.__module__ == path.stem:
            return member
    raise PackageError("declares no algorithm", where=str(path))


def _points() -> Iterator[EntryPoint]:
    yield from sorted(entry_points(group=GROUP), key=lambda point: point.name)


def _point(name: str) -> EntryPoint:
    for point in _points():
        if point.name == name:
            return point
    known = ", ".join(point.name for point in _points())
    raise NotFound(
        f"No installed package offers an algorithm {name!r}",
        remedy=f"Offered are: {known}." if known else "Install its package first.",
    )


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.module


def _key(point: EntryPoint) -> str:
    # With the package's name, so that another package cannot slip in under an enabled name.
    return f"{point.name} {_package(point)}"


def _enabled(home: Home) -> set[str]:
    try:
        stated: Mapping[str, object] = tomllib.loads(home.algorithms.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return set()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PackageError(
            f"cannot be read: {type(error).__name__}",
            where=home.algorithms.name,
            remedy="Remove the file and enable the algorithms again.",
        ) from None
    enabled = stated.get("enabled", [])
    if not isinstance(enabled, list) or not all(isinstance(part, str) for part in enabled):
        raise PackageError(
            "`enabled` is no list of names",
            where=home.algorithms.name,
            remedy="Remove the file and enable the algorithms again.",
        )
    return set(enabled)


def _write(home: Home, enabled: set[str]) -> None:
    lines = "".join(f'  "{key}",\n' for key in sorted(enabled))
    write_atomically(home.algorithms, f"enabled = [\n{lines}]\n".encode())
