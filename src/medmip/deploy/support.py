"""What somebody who helps needs to know of a server: no patient's value, no secret.

Nothing is copied whole. Of logs only what our own code names is taken: when, how grave, which
event, which kind of error and where in the program; of the journal what systemd says of a unit.
"""

import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import distributions, version
from pathlib import Path

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.deploy.answers import Answers
from medmip.deploy.blocks.declaration import CONFIGURATION, HOME
from medmip.deploy.contents import PARTS
from medmip.deploy.errors import DeployError
from medmip.deploy.installation import Installation
from medmip.deploy.placement import placements
from medmip.deploy.program import installed
from medmip.deploy.upkeep import chosen, status_of
from medmip.deploy.validation import validate

_FRAME = re.compile(r'^\s*File "(?P<file>[^"]*/medmip/[\w/]+\.py)", line (?P<line>\d+), in (\w+)$')
_KIND = re.compile(r"^((?:\w+\.)*\w+(?:Error|Exception|Warning|Refused|NotFound|Conflict))\b")
_EVENT = re.compile(r"[a-z][a-z' ,-]{0,79}")
_LINES = 2000
_LOGS = ("mip.jsonl", "imaging.jsonl")
_SHORTEST_SECRET = 12


def support_bundle(installation: Installation, target: Path) -> list[str]:
    """Writes a `.tar.gz` for whoever helps, and returns the names of its parts.

    Raises DeployError where a secret of the installation were in it, and writes nothing then.
    """
    answers = installation.answers
    here = next((one for one in placements(answers) if one.is_here), None)
    if here is None or not here.has_node:
        raise DeployError(
            "What helps is gathered on the server of the node itself",
            remedy="Copy the configuration folder there, with host = 'localhost', and run it.",
        )
    if os.geteuid() != 0:
        raise DeployError("Only root sees all of a server", remedy="Run it as root, or by sudo.")
    report = validate(installation, version("medmip"))
    parts = {
        "machine.json": _told(_machine()),
        "answers.json": _told(_plain(answers)),
        "packages.json": _told(
            {one.metadata["Name"]: one.version for one in sorted(distributions(), key=_name)}
        ),
        "services.json": _told([asdict(unit) for unit in status_of(here)]),
        "validation.json": report.as_json(),
        "home.json": _told(_sizes(Home(Path(HOME)))),
        "events.jsonl": "".join(f"{json.dumps(line)}\n" for line in logged(Path(HOME, "logs"))),
        "journal.jsonl": "".join(
            f"{json.dumps(line)}\n"
            for unit in chosen(here, ())
            for line in of_journal(_journal(unit.replace(".timer", ".service")))
        ),
    }
    _refuse_secrets(installation, parts)
    write_atomically(target, packed(parts))
    return sorted(parts)


def logged(logs: Path) -> Iterator[dict[str, object]]:
    """Of our own logs: when, how grave, which event, what kind of error, where."""
    for path in (logs / name for name in _LOGS):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:]:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if not isinstance(entry, dict) or not _EVENT.fullmatch(str(entry.get("event", ""))):
                continue
            kept = {name: entry.get(name) for name in ("timestamp", "level", "event")}
            kind = _KIND.fullmatch(str(entry.get("error", entry.get("kind", ""))))
            yield kept | ({"error": kind[1]} if kind else {}) | {"log": path.stem}


def of_journal(entries: Sequence[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Of a unit's journal: what systemd says, and of a traceback where it was and its kind."""
    for entry in entries:
        text = str(entry.get("MESSAGE", ""))
        kept = {"at": entry.get("__REALTIME_TIMESTAMP"), "unit": entry.get("_SYSTEMD_UNIT")}
        frame, kind = _FRAME.match(text), _KIND.match(text)
        if entry.get("_PID") == "1":
            yield kept | {"unit": entry.get("UNIT"), "systemd": text}
        elif frame:
            yield kept | {"frame": f"{frame['file'].rpartition('/medmip/')[2]}:{frame['line']}"}
        elif kind:
            yield kept | {"error": kind[1]}


def packed(parts: dict[str, str]) -> bytes:
    """The parts as one archive."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in sorted(parts.items()):
            content = text.encode()
            entry = tarfile.TarInfo(f"mip-support/{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _refuse_secrets(installation: Installation, parts: dict[str, str]) -> None:
    everything = "\n".join(parts.values())
    for secret in _secrets(installation):
        for line in secret.decode(errors="replace").splitlines():
            if len(line) >= _SHORTEST_SECRET and "-----" not in line and line in everything:
                raise DeployError(
                    "A secret of the installation would be in the bundle, which is not written",
                    remedy="Report this to MIP's makers without the bundle.",
                )


def _secrets(installation: Installation) -> Iterator[bytes]:
    for path in Path(CONFIGURATION, "secrets").glob("*"):
        yield path.read_bytes()
    for path in (installation.folder / "secrets").glob("*.age"):
        yield installation.vault.read(path.stem)
    yield "\n".join(
        line
        for line in (installation.folder / "identity.txt").read_text().splitlines()
        if not line.startswith("#")
    ).encode()


def _machine() -> dict[str, object]:
    usage = {place: shutil.disk_usage(place) for place in ("/", HOME)}
    return {
        "made": datetime.now(UTC).isoformat(),
        "version": version("medmip"),
        "installed": installed(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME"),
        "processors": os.cpu_count(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "disk": {place: {"free": one.free, "total": one.total} for place, one in usage.items()},
    }


def _plain(answers: Answers) -> dict[str, object]:
    """The answers, without what may name people: sources are named alone, recipients counted."""
    left_out = {"settings", "recipients", "imaging", "notices"}
    told = answers.model_dump(mode="json", exclude=left_out)
    settings = {name: sorted(section) for name, section in answers.settings.items()}
    notices = [*answers.notices.channels]
    counted = {"recipients": len(answers.recipients)}
    return told | {"settings": settings, "notices": notices} | counted


def _sizes(home: Home) -> dict[str, dict[str, int]]:
    """How many files and bytes each part of the home has: no name of a file."""
    found = {}
    for part in PARTS:
        top = home.path / part.name
        files = [path for path in [top, *top.rglob("*")] if path.is_file()]
        found[part.name] = {
            "files": len(files),
            "bytes": sum(path.stat().st_size for path in files),
        }
    return found


def _journal(unit: str) -> list[dict[str, object]]:
    ended = subprocess.run(  # noqa: S603
        ["journalctl", "--unit", unit, "--lines", str(_LINES), "--output=json"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    return [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]


def _told(what: object) -> str:
    return json.dumps(what, indent=1, ensure_ascii=False) + "\n"


def _name(distribution: object) -> str:
    return str(getattr(distribution, "metadata", {})["Name"]).lower()
