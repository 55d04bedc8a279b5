"""The home's `mip.toml`: a section for each part of MIP that an administrator may set."""

import tomllib
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ValidationError

from medmip.catalogue.home import Home
from medmip.errors import MipError

SECTIONS = ("backup", "engine", "imaging", "ldsm", "login", "notices", "sources")
Section = TypeVar("Section", bound=BaseModel)


class SettingsError(MipError):
    """What `mip.toml` says cannot be used; nothing that depends on it is done without it."""

    title: ClassVar[str] = "The configuration cannot be used"
    status: ClassVar[int] = 500


def stated(home: Home, name: str) -> object | None:
    """What a home says in one section, None where it says nothing.

    Raises SettingsError where the file cannot be read, or has a section that MIP does not know: a
    name that is spelt wrong would be taken for silence.
    """
    path = home.configuration
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except tomllib.TOMLDecodeError as error:
        raise unusable(home, f"It is not TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise unusable(home, f"It cannot be read: {type(error).__name__}.") from None
    unknown = sorted(sections.keys() - set(SECTIONS))
    if unknown:
        raise unusable(
            home, f"There is no section {unknown[0]}; there may be {', '.join(SECTIONS)}."
        )
    return sections.get(name)


def validated(kind: type[Section], value: object, home: Home, *where: str) -> Section:
    """A section's settings; raises SettingsError, naming each field that is wrong by its place."""
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        # What was given is left out: it may be a password in the wrong place.
        what = "; ".join(
            f"{'.'.join(map(str, (*where, *part['loc'])))}: "
            f"{part['msg'].removeprefix('Value error, ')}"
            for part in error.errors(include_input=False)
        )
        raise unusable(home, what) from None


def section(home: Home, name: str, kind: type[Section]) -> Section | None:
    """The settings of one section, None where there is none; raises SettingsError."""
    value = stated(home, name)
    return None if value is None else validated(kind, value, home, name)


def unusable(home: Home, what: str) -> SettingsError:
    """The error that says what is wrong with a home's `mip.toml`."""
    return SettingsError(
        what,
        where=home.configuration.name,
        remedy="docs/it-administrator.md lists what the file may say.",
    )
