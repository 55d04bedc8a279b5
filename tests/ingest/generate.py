"""A CSV file of any size for measuring an import: python -m tests.ingest.generate FILE ROWS."""

import sys
from pathlib import Path

import duckdb

from medmip.catalogue.data_model import DataModel
from tests.store.models import integer, nominal, real, text

REALS = 40


def model(longitudinal=False):
    """40 real, 4 integer and 4 nominal variables, one text."""
    return DataModel(
        code="big",
        version="1.0",
        label="Big",
        longitudinal=longitudinal,
        variables=(
            text("subjectid" if longitudinal else "subjectcode"),
            *([nominal("visitid", "BL", "M12")] if longitudinal else []),
            *(real(f"volume{index}", 0) for index in range(REALS)),
            *(integer(f"score{index}", 0, 30) for index in range(4)),
            *(nominal(f"level{index}", "AD", "MCI", "CN") for index in range(4)),
        ),
    )


def write(file, rows, *, longitudinal=False):
    """Write rows of about 800 bytes."""
    patient = (
        "'P' || ((i * 7919) % rows // 2) AS subjectid, ['BL', 'M12'][1 + i % 2] AS visitid"
        if longitudinal
        else "'P' || i AS subjectcode"
    )
    cells = [patient.replace("rows", str(rows))]
    cells += [f"round(random() * 50, 14) AS volume{index}" for index in range(REALS)]
    cells += [f"(random() * 30)::INTEGER AS score{index}" for index in range(4)]
    cells += [
        f"CASE WHEN random() < 0.98 THEN ['AD', 'MCI', 'CN'][1 + (i + {index}) % 3] END "
        f"AS level{index}"
        for index in range(4)
    ]
    connection = duckdb.connect()
    connection.execute("SELECT setseed(0.5)")
    connection.execute(
        f"COPY (SELECT {', '.join(cells)} FROM range({rows}) AS t(i)) TO '{file}' (HEADER)"
    )
    connection.close()


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(sys.argv[2]))
