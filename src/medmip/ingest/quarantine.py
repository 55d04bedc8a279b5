"""Rows that break a rule, set aside in a file of their own, for the data manager alone."""

from datetime import UTC, datetime
from pathlib import Path

from medmip.catalogue.home import Home
from medmip.ingest.reading import Reading
from medmip.ingest.session import literal


def set_aside(found: Reading, home: Home) -> Path:
    """Write every bad row, with its number and the rules that it breaks, under the home.

    A row that could not be split into cells stands in the column `__line` as it was, and text that
    a spreadsheet would run as a formula has `'` before it. The file holds patients' values: it is
    readable by its owner alone. Raises IngestError, OSError.
    """
    assert found.session is not None
    session = found.session
    folder = home.path / "quarantine"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = folder / f"{Path(found.report.file).stem}-{stamp}.csv"
    file = session.work / "quarantine.csv"
    place = "bad.file AS __file, " if found.mapping is not None else ""
    columns = place + ", ".join(
        f'{safe_cell(column.sql)} AS "{column.name.replace(chr(34), chr(34) * 2)}"'
        for column in found.columns
    )
    session.run(
        f"""
        COPY (
            SELECT bad.line AS __row, bad.rules AS __rules, {safe_cell("bad.csv_line")} AS __line,
                {columns}
            FROM (
                SELECT problem.k, min(problem.line) AS line,
                    arg_min(problem.file, problem.line) AS file, any_value(csv_line) AS csv_line,
                    string_agg(DISTINCT concat_ws(': ', name, rule), '; ') AS rules
                FROM problem
                LEFT JOIN rejected ON problem.k IS NULL AND rejected.line = problem.line
                    AND rejected.file IS NOT DISTINCT FROM problem.file
                LEFT JOIN (VALUES {_names(found)}) AS named(place, name) USING (place)
                GROUP BY problem.k, CASE WHEN problem.k IS NULL THEN problem.line END,
                    CASE WHEN problem.k IS NULL THEN problem.file END
            ) AS bad LEFT JOIN staged USING (k)
            ORDER BY bad.line
        ) TO {literal(str(file))} (FORMAT csv, HEADER true)
        """  # noqa: S608
    )
    file.chmod(0o600)
    return file.rename(target)


def safe_cell(cell: str) -> str:
    """A text as SQL that no spreadsheet takes for a formula: `'` before what would begin one.

    A number with a sign stays as it is. Source: OWASP, CSV Injection.
    """
    return (
        f"CASE WHEN regexp_matches({cell}, '^[=+@\\t\\r-]') AND TRY_CAST({cell} AS DOUBLE) IS NULL "
        f"THEN chr(39) || {cell} ELSE {cell} END"
    )


def _names(found: Reading) -> str:
    return ", ".join(f"({column.index}, {literal(column.name)})" for column in found.columns)
