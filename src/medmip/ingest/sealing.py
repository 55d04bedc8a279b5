"""The patients of a publication, sealed for the key's holder before anything is published."""

from collections.abc import Iterator

import pyarrow as pa

from medmip.catalogue.home import Home
from medmip.ingest.prepare import Prepared
from medmip.ingest.session import Session
from medmip.stewardship.patients import digest, name_of, seal

_DIGITS = "0123456789abcdef"


def sealed_patients(
    session: Session, home: Home, key: bytes, model: str, dataset: str, prepared: Prepared
) -> str | None:
    """Seal the table `known`; its name, None where the policy lets nobody go back."""
    if not prepared.reversible:
        return None
    (row,) = session.rows("SELECT count(*), coalesce(bit_xor(hash(pseudonym)), 0) FROM known")
    name = name_of(digest(int(str(row[0])), int(str(row[1]))), key)
    seal(home, key, model, dataset, name, _parts(session))
    return name


def _parts(session: Session) -> Iterator[pa.Table]:
    """A sixteenth of the patients at a time, so that few are in memory together."""
    for digit in _DIGITS:
        yield session.arrow(
            "SELECT pseudonym, code FROM known WHERE starts_with(pseudonym, ?) ORDER BY 1",
            [digit],
        )
