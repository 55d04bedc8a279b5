"""The ledger as a CSV file."""

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO

from medmip.privacy.ledger import LedgerRow


def csv_lines(rows: Iterable[LedgerRow]) -> Iterator[str]:
    """The heading and each row, as lines of a CSV file.

    User names and reasons come from outside: what a spreadsheet would take for a formula is
    written behind an apostrophe.
    """
    names = list(LedgerRow.__dataclass_fields__)
    yield _line(names)
    for row in rows:
        values = vars(row) | {"snapshots": json.dumps(dict(row.snapshots))}
        yield _line([_harmless(values[name]) for name in names])


def _line(cells: Iterable[object]) -> str:
    text = StringIO()
    csv.writer(text).writerow(cells)
    return text.getvalue()


def _harmless(value: object) -> object:
    """Source: OWASP, CSV Injection."""
    formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if formula else value
