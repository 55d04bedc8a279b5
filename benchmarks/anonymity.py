"""k-anonymity of a million records against a plain GROUP BY of their quasi-identifiers.

`make bench ARGS=ingest` measures it beside an import, in a process of its own.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.memory import peak_memory
from medmip.anonymise.generalise import plan
from medmip.anonymise.settings import KAnonymity, QuasiIdentifier
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.ingest.session import Session
from medmip.store.sql_session import literal, parquet

TARGET = 60
"""Times a plain GROUP BY."""
RUNS = 3
HEADER = [
    "| records | classes | steps tried | GROUP BY s | k-anonymity s | peak MB | ratio | target |",
    "|---|---|---|---|---|---|---|---|",
]


def _nominal(code: str, levels: str) -> Variable:
    return Variable(
        code=code,
        label=code,
        type=VariableType.NOMINAL,
        sql_type="text",
        enumerations=tuple(Enumeration(code=level, label=level) for level in levels),
    )


def _integer(code: str) -> Variable:
    return Variable(code=code, label=code, type=VariableType.INTEGER, sql_type="int")


MODEL = DataModel(
    code="quasi",
    version="1.0",
    label="Quasi-identifiers",
    variables=(
        _integer("age"),
        _nominal("sex", "FM"),
        _nominal("school", "01234567"),
        _integer("height"),
        _integer("postcode"),
        _nominal("site", "ABCDE"),
    ),
)
RULES = {
    "age": QuasiIdentifier(intervals=(2, 10, 20)),
    "sex": QuasiIdentifier(),
    "school": QuasiIdentifier(
        parents=({"0": "1", "2": "3", "4": "5", "6": "7"}, {"1": "3", "5": "7"})
    ),
    "height": QuasiIdentifier(intervals=(5, 10, 20)),
    "postcode": QuasiIdentifier(intervals=(10, 100)),
    "site": QuasiIdentifier(parents=({"A": "B", "C": "D"},)),
}


def write(session: Session, file: Path, records: int) -> None:
    """Records of whom nine in ten are like nobody else, which is the dearest case."""
    session.run("SELECT setseed(0.5)")
    session.run(
        f"""
        COPY (
            SELECT 'P' || i AS subjectcode, (50 + random() * 40)::BIGINT AS age,
                'FM'[1 + (i % 2)] AS sex, ((random() * 7)::BIGINT)::VARCHAR AS school,
                (150 + 10 * (random() + random() + random() + random()))::BIGINT AS height,
                (1000 + random() * 80)::BIGINT AS postcode,
                'ABCDE'[1 + (i * 7919 % 5)] AS site, i::INTEGER AS __patient
            FROM range({records}) AS t(i)
        ) TO {literal(str(file))} (FORMAT parquet)
        """
    )


def best(run: Callable[[], object]) -> float:
    """The fewest seconds of several runs."""
    seconds = []
    for _ in range(RUNS):
        begun = time.perf_counter()
        run()
        seconds.append(time.perf_counter() - begun)
    return min(seconds)


def measured(records: int) -> str:
    """The line of the table, measured in this process."""
    with tempfile.TemporaryDirectory() as folder:
        session = Session(Path(folder), "2GB")
        file = Path(folder) / "quasi.parquet"
        write(session, file, records)
        rule = KAnonymity(k=5, suppression=0.05, quasi_identifiers=RULES)
        grouped = f"""
            SELECT count(*), max(n) FROM (
                SELECT {", ".join(RULES)}, count(*) AS n FROM {parquet(file)} GROUP BY ALL
            )
            """
        plain = best(lambda: session.rows(grouped))
        ours = best(lambda: plan(session, file, MODEL, rule, {}))
        found = plan(session, file, MODEL, rule, {}).generalised
        session.close()
    verdict = f"≤ {TARGET}: {'yes' if ours <= TARGET * plain else 'NO'}"
    return (
        f"| {records:,} | {found.before.classes:,} | {found.tried} | {plain:.3f} | {ours:.3f} "
        f"| {peak_memory():.0f} | {ours / plain:.1f} | {verdict} |"
    )


def contest(records: int) -> list[str]:
    """The lines of the table, from a process of its own."""
    words = [sys.executable, "-m", "benchmarks.anonymity", str(records)]
    out = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout
    return [*HEADER, *out.splitlines()]


if __name__ == "__main__":
    print(measured(int(sys.argv[1])))
