"""What readers asked, from PostgreSQL's log into the ledger; no value of a query is kept."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

from medmip.catalogue.atomic_file import write_atomically
from medmip.catalogue.home import Home
from medmip.ldsm.readers import PREFIX
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger

_STATEMENT = re.compile(r"^(?:statement|execute [^:]*): (.*)", re.DOTALL)
_PARTS = re.compile(
    r"""
    (?P<name> "(?:[^"]|"")*" | [A-Za-z_][\w$]*(?!['\w$]) )
    | (?P<comment> --[^\n]* | /\*.*\*/ | /\*.* )
    | (?P<value>
        [eE]'(?:[^'\\]|\\.|'')*' | [A-Za-z&]*'(?:[^']|'')*' | \$(\w*)\$.*?\$\4\$
        | \d[\w.]*(?:[eE][+-]?\d+)? | \.\d+ | ['"].* | \$\w*\$.*
    )
    """,
    re.DOTALL | re.VERBOSE,
)
"""Names stay, comments go, and so do literals, also those that are never closed. A block comment
may hold others, so everything to the last end of one goes.
"""
_LONGEST = 2_000
_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Asked:
    """One statement of a reader's, its values left out; refused by PostgreSQL, or carried out."""

    reader: str
    at: str
    text: str
    failed: bool


def note_queries(home: Home, connection: psycopg.Connection, ledger: Ledger) -> int:
    """Write what readers asked since the last time into the ledger; how many statements.

    A row is written before its place in the log is passed: after a kill some stand there twice,
    and none is missing.
    """
    place = home.path / "ldsm-log.json"
    passed = _passed(home)
    directory = connection.execute("SELECT current_setting('log_directory')").fetchone()
    files = connection.execute(
        "SELECT name, size FROM pg_ls_logdir() WHERE name LIKE %s ORDER BY name", ["%.json"]
    ).fetchall()
    count = 0
    assert directory is not None
    for name, size in files:
        start = passed.get(str(name), 0)
        while start < int(size):
            row = connection.execute(
                "SELECT pg_read_binary_file(%s, %s, %s)",
                [f"{directory[0]}/{name}", start, _AT_ONCE],
            ).fetchone()
            content = bytes(row[0]) if row else b""
            end = content.rfind(b"\n") + 1
            if not end:
                break
            for asked in _asked(content[:end]):
                _record(ledger, asked)
                count += 1
            start += end
            passed[str(name)] = start
            write_atomically(place, json.dumps(passed).encode())
    return count


def without_values(text: str) -> str:
    """A statement whose literals and comments are left out: they may say who a patient is."""
    bare = _PARTS.sub(lambda part: part["name"] or (" " if part["comment"] else "?"), text)
    return re.sub(r"\s+", " ", bare).strip()[:_LONGEST]


def _asked(lines: bytes) -> Iterator[Asked]:
    for line in lines.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        user = str(entry.get("user", ""))
        if not user.startswith(PREFIX):
            continue
        found = _STATEMENT.match(str(entry.get("message", "")))
        failed = entry.get("error_severity") in ("ERROR", "FATAL")
        text = found[1] if found else str(entry.get("statement", "")) if failed else ""
        if text:
            at = str(entry.get("timestamp", ""))
            yield Asked(user.removeprefix(PREFIX), at, without_values(text), failed)


def _record(ledger: Ledger, asked: Asked) -> None:
    ledger.record(
        Access(user=asked.reader, experiment="", algorithm=""),
        statistic="rows by SQL",
        verdict="refused" if asked.failed else "released",
        rule="",
        reason=f"{asked.at}: {asked.text}",
        suppressed=0,
    )


def _passed(home: Home) -> dict[str, int]:
    try:
        return {
            str(name): int(place)
            for name, place in json.loads((home.path / "ldsm-log.json").read_bytes()).items()
        }
    except (FileNotFoundError, ValueError, AttributeError):
        return {}
