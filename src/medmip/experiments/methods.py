"""The paragraph of a paper that says what an experiment did, with the references that it cites."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.references import (
    CHAINED_EQUATIONS,
    COMBAT,
    CROSS_VALIDATION,
    RUBINS_RULES,
    SECURE_AGGREGATION,
)
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.errors import CatalogueError
from medmip.catalogue.variable import DATASET
from medmip.errors import Conflict, RequestError
from medmip.experiments.analysis_words import (
    Words,
    grid_told,
    listed,
    number,
    preparation_told,
    roles_told,
    settings_told,
    validation_told,
)
from medmip.experiments.experiment import (
    Experiment,
    Outcome,
    Provenance,
    SnapshotUsed,
    State,
    ThresholdsUsed,
)
from medmip.experiments.preparation import Preparation
from medmip.experiments.request import Analysis, Request
from medmip.store.filter_words import in_words
from medmip.store.filters import parse_filter

Algorithms = Mapping[str, Algorithm[Any, Any]]


class Methods(BaseModel):
    """What a paper says of how an analysis was made; marks such as [1] count its references."""

    model_config = ConfigDict(frozen=True)

    paragraph: str
    references: tuple[str, ...]


@dataclass
class Cited:
    """References in the order in which they are first cited."""

    references: list[str] = field(default_factory=list)

    def mark(self, *references: str) -> str:
        """What stands after the words that cite these references, such as ` [1, 2]`."""
        for reference in references:
            if reference not in self.references:
                self.references.append(reference)
        places = [str(self.references.index(reference) + 1) for reference in references]
        return f" [{', '.join(places)}]" if places else ""


def result_of(experiment: Experiment) -> tuple[Outcome, Provenance]:
    """What an experiment found, and what that rests on; raises Conflict where it has no result."""
    if experiment.state is not State.DONE or not experiment.result or not experiment.provenance:
        raise Conflict(
            f"The experiment {experiment.id} is {experiment.state} and has no result",
            remedy="Only an experiment that is done can be reported.",
        )
    return experiment.result, experiment.provenance


def methods_of(experiment: Experiment, algorithms: Algorithms, model: DataModel | None) -> Methods:
    """The paragraph on an experiment that is done.

    model is its data model, None where that is not there any more: codes then stand for labels.
    Raises Conflict where the experiment has no result.
    """
    outcome, provenance = result_of(experiment)
    words = Words(() if model is None else model.all_variables.values())
    request, cited = experiment.request, Cited()
    sentences = [
        *_data(request, provenance, model),
        *roles_told(algorithms.get(request.algorithm), request.inputdata, words),
        *_chosen(request, provenance, algorithms, words, model),
        *_prepared(request, words, cited),
        *_analyses(request, outcome, provenance, algorithms, words, cited),
        *_validated(request, algorithms, cited),
        *_disclosure(provenance, cited),
        f"The software was MIP, the Medical Informatics Platform ({provenance.software}).",
    ]
    return Methods(paragraph=" ".join(sentences), references=tuple(cited.references))


def dataset_label(code: str, model: DataModel | None) -> str:
    """What people call a dataset: its label in the data model, else its code."""
    if model is not None:
        try:
            return model.variable(DATASET).level_label(code)
        except CatalogueError:
            return code
    return code


def _data(request: Request, provenance: Provenance, model: DataModel | None) -> Iterator[str]:
    used = [_snapshot(part, model) for part in provenance.snapshots]
    kind = "dataset" if len(used) == 1 else "datasets"
    named = request.inputdata.data_model
    described = f"{named}" if model is None else f"{model.label}, version {model.version}"
    yield (
        f"We analysed {number(provenance.patients, 'patient')} "
        f"({number(provenance.records, 'record')}) of the {kind} {listed(used)}, in the variables "
        f"of the data model {described}."
    )
    synthetic = [part.dataset for part in provenance.snapshots if part.synthetic]
    if synthetic:
        alone = f"{listed(synthetic)} {'is' if len(synthetic) == 1 else 'are'}"
        which = "These data are" if len(synthetic) == len(used) else alone
        yield f"{which} synthetic: no record belongs to a person."
    if provenance.lost:
        lost = f"{listed(provenance.lost)} {'was' if len(provenance.lost) == 1 else 'were'} lost"
        yield f"{lost} during the run and had no part in the result."


def _chosen(
    request: Request,
    provenance: Provenance,
    algorithms: Algorithms,
    words: Words,
    model: DataModel | None,
) -> Iterator[str]:
    chosen = _filter(request, words, model)
    if chosen:
        yield f"Only records for which the following held were analysed: {chosen}."
    preparation = request.preparation
    first = algorithms.get(request.algorithm)
    if provenance.excluded:
        imputed = preparation is not None and preparation.imputation is not None
        which = "a variable that was not imputed" if imputed else "at least one of the variables"
        left = number(provenance.excluded, "record")
        yield f"We excluded {left} with a missing value in {which}."
    elif first is not None and first.missing == "keep" and preparation is None:
        yield "Records with missing values were kept."
    else:
        yield "No record was excluded for missing values."


def _snapshot(part: SnapshotUsed, model: DataModel | None) -> str:
    label = dataset_label(part.dataset, model)
    facts = [part.dataset] if label != part.dataset else []
    facts.append(f"version {part.version}")
    if part.site:
        facts.append(f"held by {part.site}")
    return f"{label} ({', '.join(facts)})"


def _filter(request: Request, words: Words, model: DataModel | None) -> str:
    document = request.inputdata.filters
    if document is None:
        return ""
    if model is not None:
        try:
            parsed = parse_filter(document, model)
        except RequestError:
            return "the filter of the request"
        return "" if parsed is None else in_words(parsed, words.known)
    return "the filter of the request"


def _prepared(request: Request, words: Words, cited: Cited) -> Iterator[str]:
    preparation = request.preparation
    if preparation is None:
        return
    yield from preparation_told(preparation, words, _preparation_marks(preparation, cited))
    if request.validation is not None:
        yield "For validation, all of this was estimated on each training’s patients alone."


def _preparation_marks(preparation: Preparation, cited: Cited) -> dict[str, str]:
    marks = {}
    if preparation.is_multiple:
        marks["imputation"] = cited.mark(CHAINED_EQUATIONS)
        marks["rubin"] = cited.mark(RUBINS_RULES)
    if preparation.combat is not None:
        marks["combat"] = cited.mark(COMBAT)
    return marks


def _analyses(
    request: Request,
    outcome: Outcome,
    provenance: Provenance,
    algorithms: Algorithms,
    words: Words,
    cited: Cited,
) -> Iterator[str]:
    versions = (provenance.algorithm_version, *provenance.compared_versions)
    told = [
        _analysis(analysis, version, request, algorithms.get(analysis.algorithm), words, cited)
        for analysis, version in zip(request.analyses, versions, strict=True)
    ]
    yield f"We used {told[0]}."
    if told[1:]:
        yield f"For comparison, the same patients were analysed by {listed(told[1:])}."
    for answer in outcome.answers:
        if answer.problem is not None:
            yield f"{answer.label} gave no answer: {answer.problem.detail.rstrip('.')}."


def _analysis(
    analysis: Analysis,
    version: str,
    request: Request,
    algorithm: Algorithm[Any, Any] | None,
    words: Words,
    cited: Cited,
) -> str:
    facts = f"algorithm {analysis.algorithm}, version {version}"
    if algorithm is None:
        return f"{analysis.algorithm} ({facts})"
    settings = settings_told(algorithm, analysis, request.inputdata, words)
    facts = "; ".join([facts, *settings])
    return f"{algorithm.method}{cited.mark(*algorithm.citations)} ({facts})"


def _validated(request: Request, algorithms: Algorithms, cited: Cited) -> Iterator[str]:
    if request.validation is None:
        return
    yield validation_told(request.validation, cited.mark(CROSS_VALIDATION))
    for analysis in request.analyses:
        algorithm = algorithms.get(analysis.algorithm)
        if learnt := grid_told(algorithm, analysis):
            method = analysis.algorithm if algorithm is None else algorithm.method
            yield f"For {method}, nested validation chose {learnt}."


def _disclosure(provenance: Provenance, cited: Cited) -> Iterator[str]:
    where = "the hospital that holds them"
    if provenance.sites:
        names = listed([site.name for site in provenance.sites])
        where = f"the hospitals that hold them ({names})"
    yield f"Records stayed in {where}; only sums over patients left."
    yield from _thresholds(provenance.thresholds)
    if provenance.secure_aggregation:
        yield (
            "The hospitals’ sums were added up by secure aggregation"
            f"{cited.mark(SECURE_AGGREGATION)}, so that no other party saw those of one hospital."
        )


def _thresholds(stated: Sequence[ThresholdsUsed]) -> Iterator[str]:
    alike: dict[ThresholdsUsed, list[str]] = {}
    for part in stated:
        alike.setdefault(part.model_copy(update={"site": ""}), []).append(part.site)
    if not alike:
        yield "Disclosure control stood before every figure that left."
    for part, sites in alike.items():
        where = f" at {listed([site or 'the hub' for site in sites])}" if len(alike) > 1 else ""
        yield f"Disclosure control{where}: {_rules(part)}."


def _rules(part: ThresholdsUsed) -> str:
    rules = [
        f"cohorts of fewer than {number(part.minimum_patients, 'patient')} were refused",
        f"counts of fewer than {number(part.minimum_cell, 'patient')} were suppressed"
        + (", with others that would have told of them" if part.complementary else ""),
    ]
    if part.patients_per_parameter:
        per = f"{part.patients_per_parameter:g}"
        rules.append(f"a model had at most one parameter for every {per} patients")
    if part.dominance < 1:
        rules.append(
            f"variables of whose spread one patient had more than {part.dominance:.0%} were refused"
        )
    if part.overlap != "off":
        rules.append("cohorts that differed from an earlier one by too few patients were refused")
    return "; ".join(rules)
