"""k-anonymity of a million records against a plain GROUP BY of their quasi-identifiers.

`python -m benchmarks.anonymity [--records N]` prints seconds and the ratio, which the target
holds at 60, and how long a pseudonym of every patient takes.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.memory import peak_memory
from medmip.anonymise.generalise import plan
from medmip.anonymise.keyed import pseudonym_sql
from medmip.anonymise.settings import KAnonymity, QuasiIdentifier
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Enumeration, Variable, VariableType
from medmip.ingest.session import Session
from medmip.store.sql_session import literal, parquet

TARGET = 60
"""Times a plain GROUP BY."""
RUNS = 3


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    records = parser.parse_args().records
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
        coded = pseudonym_sql(b"k" * 32, "subjectcode")
        named = best(
            lambda: session.rows(
                f"SELECT max({coded.sql}) FROM {parquet(file)}", list(coded.parameters)
            )
        )
        session.close()
    print(f"{records:,} records, {found.before.classes:,} classes, {found.tried} nodes tried")
    print(f"GROUP BY {plain:.3f} s; k-anonymity {ours:.3f} s: {ours / plain:.1f} × of {TARGET}")
    print(f"pseudonyms {named:.3f} s; peak memory {peak_memory():.0f} MB")


if __name__ == "__main__":
    main()
