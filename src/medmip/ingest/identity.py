"""Who could be told from a file: its direct identifiers and dates, as problems of the report."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from medmip.anonymise.identifiers import Source, identifiers
from medmip.anonymise.settings import Anonymisation
from medmip.anonymise.transform import date_problems
from medmip.catalogue.home import Home
from medmip.ingest.header import shown
from medmip.ingest.reading import Reading
from medmip.ingest.report import Kind, Problem
from medmip.ingest.session import Session
from medmip.stewardship.policy import DatasetPolicy, stated_policy

_HAS_CELLS = "SELECT count(*) FROM duckdb_views() WHERE view_name = 'cells'"
_REMEDY = "name it in the dataset's policy under drop, codes or dates, or leave it out of the file"

AS_IT_IS = DatasetPolicy(
    anonymisation=Anonymisation(patient_codes="keep", codes=(), identifiers="ignore", ages=())
)
"""For invented patients where no policy is stated, and for files that nobody else will see."""


def policy_in_force(
    home: Home | None, model: str, dataset: str | None, *, synthetic: bool = False
) -> DatasetPolicy:
    """The stated policy of a dataset, else the built-in one; raises DatasetPolicyError."""
    stated = None if home is None else stated_policy(home, model, dataset)
    return stated or (AS_IT_IS if synthetic else DatasetPolicy())


def let_go(policy: DatasetPolicy) -> frozenset[str]:
    """Columns that a file may have though the model does not know them."""
    settings = policy.anonymisation
    moments = {rule.at for rule in settings.dates.values() if rule.at is not None}
    births = {name for name, rule in settings.dates.items() if rule.age is not None}
    return frozenset({*settings.drop, *births, *moments})


def guarded(found: Reading, policies: Sequence[DatasetPolicy]) -> Reading:
    """The reading, its report telling of whatever would name a patient under these policies."""
    if found.session is None or not found.session.number(_HAS_CELLS):
        return found
    problems = dict.fromkeys(
        problem
        for policy in policies
        for problem in _problems(found, found.session, policy.anonymisation)
    )
    if not problems:
        return found
    order = list(Kind)
    everything = sorted(
        [*found.report.problems, *problems], key=lambda problem: order.index(problem.kind)
    )
    return replace(found, report=found.report.model_copy(update={"problems": tuple(everything)}))


def _problems(found: Reading, session: Session, settings: Anonymisation) -> Iterator[Problem]:
    sources = [
        Source(column.name, column.sql, column.variable, column.is_key) for column in found.columns
    ]
    if settings.identifiers == "refuse":
        for finding in identifiers(session, "cells", sources, settings):
            yield Problem(
                kind=Kind.DIRECT_IDENTIFIER,
                column=shown(finding.column),
                rule=f"{finding.rule}{_times(finding.count)}; {_REMEDY}",
                count=max(1, finding.count),
            )
    cells = {source.name: source.cell for source in sources}
    for name, broken in date_problems(settings, cells):
        count = session.number(f"SELECT count(*) FROM cells WHERE {broken}")  # noqa: S608
        if count:
            yield Problem(
                kind=Kind.NOT_A_DATE,
                column=shown(name),
                rule=f"dates that are not written as the policy says{_times(count)}",
                count=count,
            )


def _times(count: int) -> str:
    return f", in {count:,} row{'s' if count > 1 else ''}" if count else ""
