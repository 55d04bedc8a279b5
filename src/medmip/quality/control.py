"""The quality control of a snapshot's file: everything measured, then judged by the policy."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET
from medmip.errors import MipError
from medmip.quality.columns import Columns
from medmip.quality.consistency import changing, falling
from medmip.quality.norms import against, made_by
from medmip.quality.repetition import repeated_across, repeated_within
from medmip.quality.report import Finding, NormQuality, QualityReport, VariableQuality, number
from medmip.quality.thresholds import Thresholds
from medmip.quality.values import variable_quality
from medmip.store.snapshots import Datasets
from medmip.store.sql_session import SqlSession


class NotFit(MipError):
    """The quality control found what the dataset's policy does not allow; report has it all."""

    title: ClassVar[str] = "The dataset is not fit to be published"
    status: ClassVar[int] = 422

    def __init__(self, report: QualityReport) -> None:
        self.report = report
        blocking = [finding.sentence for finding in report.findings if finding.blocks]
        super().__init__(
            " ".join(blocking),
            where=report.dataset,
            remedy="Mend the data, or change the thresholds under [quality] of its policy.",
        )


@dataclass(frozen=True)
class Subject:
    """What is looked at: a file, what it is called, and the version that it is, if any.

    former is the version it is compared with, others the files of the model's other datasets.
    """

    path: Path
    model: DataModel
    dataset: str
    source: str
    version: int | None = None
    former: tuple[int, Path] | None = None
    others: Mapping[str, Path] | None = None
    problems: Mapping[str, int] | None = None


def subject(datasets: Datasets, path: Path, model: DataModel, dataset: str, source: str) -> Subject:
    """A file that may become the next version, compared with the current one."""
    current = {snapshot.dataset: snapshot for snapshot in datasets.list(model.key)}
    own = current.pop(dataset, None)
    others = {code: snapshot.path for code, snapshot in current.items()}
    former = None if own is None else (own.version, own.path)
    return Subject(path, model, dataset, source, former=former, others=others)


def control(
    session: SqlSession, looked: Subject, thresholds: Thresholds, datasets: Datasets, minimum: int
) -> QualityReport:
    """The whole report; numbers below minimum are withheld."""
    here, model = Columns(looked.path), looked.model
    former = None if looked.former is None else Columns(looked.former[1])
    keys = {model.patient_column, model.visit_column, DATASET}
    known = model.all_variables
    variables = tuple(
        variable_quality(here, former, known[name], thresholds.robust_z, minimum)
        for name in known
        if name in here.names and name not in keys
    )
    within = repeated_within(session, here, model)
    across = repeated_across(session, here, looked.others or {}, model)
    inconsistent: dict[str, int] = {}
    if model.longitudinal:
        inconsistent = changing(session, here, thresholds.constant)
        inconsistent |= falling(session, here, thresholds.increasing)
    norms, reference = _norms(here, model, thresholds, datasets, minimum)
    report = QualityReport(
        model=model.key,
        dataset=looked.dataset,
        source=looked.source,
        version=looked.version,
        records=here.records,
        patients=here.patients,
        compared=None if looked.former is None else looked.former[0],
        variables=variables,
        problems=dict(looked.problems or {}),
        duplicates=None if within is None else number(within, minimum),
        across={code: number(count, minimum) for code, count in across.items()},
        inconsistent={code: number(count, minimum) for code, count in inconsistent.items()},
        norms=norms,
        norm_reference=reference,
    )
    return report.model_copy(update={"findings": tuple(_findings(report, thresholds))})


def _norms(
    here: Columns, model: DataModel, thresholds: Thresholds, datasets: Datasets, minimum: int
) -> tuple[tuple[NormQuality, ...], str]:
    norms = thresholds.norms
    if norms is None:
        return (), ""
    reference = datasets.current(model.key, norms.reference)
    made = made_by(Columns(reference.path), model, norms)
    told = f"{reference.dataset} version {reference.version}, {reference.records:,} records"
    return tuple(against(here, norms, made, minimum)), told


def _findings(report: QualityReport, thresholds: Thresholds) -> Iterator[Finding]:
    for variable in report.variables:
        yield from _of_variable(variable, thresholds)
    found = {variable.code for variable in report.variables}
    for code, least in thresholds.complete.items():
        if code not in found and least > 0:
            yield _finding(code, f"{code} is missing altogether.", blocks=True)
    if report.duplicates is not None and report.duplicates.told != 0:
        share = report.duplicates.share_of / report.records
        text = f"{report.duplicates} records repeat another patient's values."
        limit = thresholds.duplicates
        yield _finding("duplicates", text, blocks=limit is not None and share > limit)
    for code, count in report.across.items():
        if count.told != 0:
            text = f"{count} records are in the dataset {code} too."
            yield _finding("duplicates", text, blocks=False)
    for code, count in report.inconsistent.items():
        if count.told != 0:
            share = count.share_of / report.patients
            limit = thresholds.inconsistent
            text = f"{count} patients contradict themselves in {code} between visits."
            yield _finding(code, text, blocks=limit is not None and share > limit)
    yield from _of_norms(report, thresholds)


def _of_variable(variable: VariableQuality, thresholds: Thresholds) -> Iterator[Finding]:
    code = variable.code
    least = thresholds.complete.get(code, thresholds.least_complete)
    if least is not None and variable.present < least:
        text = f"{code} is present in {variable.present:.1%} of records; {least:.1%} are asked."
        yield _finding(code, text, blocks=True)
    elif variable.present == 0:
        yield _finding(code, f"{code} has no value at all.", blocks=False)
    if variable.outlier_share is not None and variable.outliers and variable.outliers.told != 0:
        limit = thresholds.outliers
        blocks = limit is not None and variable.outlier_share > limit
        text = f"{code} has {variable.outliers} values far from the others."
        yield _finding(code, text, blocks=blocks)
    if variable.psi is not None:
        limit = thresholds.drift
        if variable.psi > (0.25 if limit is None else limit):
            text = f"{code} lies otherwise than in the former version (PSI {variable.psi:.2f})."
            yield _finding(code, text, blocks=limit is not None)


def _of_norms(report: QualityReport, thresholds: Thresholds) -> Iterator[Finding]:
    if thresholds.norms is None:
        return
    if not report.norms:
        text = f"No norm could be made of {thresholds.norms.reference}, or nothing here fits it."
        yield _finding("norms", text, blocks=thresholds.norms.unlikely is not None)
        return
    beyond = sum(norm.beyond.share_of for norm in report.norms if norm.beyond.told != 0)
    share = beyond / sum(norm.records for norm in report.norms)
    limit = thresholds.norms.unlikely
    if limit is not None and share > limit:
        text = (
            f"Up to {share:.2%} of the volumes are further than {thresholds.norms.z:g} standard "
            "deviations from what age, sex and head let expect."
        )
        yield _finding("norms", text, blocks=True)


def _finding(about: str, sentence: str, *, blocks: bool) -> Finding:
    return Finding(about=about, sentence=sentence, blocks=blocks)
