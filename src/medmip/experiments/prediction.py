"""Models live on: what an experiment fitted predicts for records of this hospital."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import ValidationError

from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.registry import find
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import DATASET, Variable
from medmip.errors import Conflict, FieldProblem, RequestError
from medmip.experiments.experiment import Experiment
from medmip.fold.adjustment import Step, narrowed
from medmip.fold.batches import Harmonised
from medmip.fold.block import Block, Layout
from medmip.fold.encoding import encoded_blocks
from medmip.fold.model import Model
from medmip.fold.statistic import CodeArray, FloatArray
from medmip.store.duckdb_engine import DuckDBEngine
from medmip.store.engine import Selection
from medmip.store.snapshots import Snapshot
from medmip.store.visits import Visits

ModelFormat = Literal["json", "onnx"]
MOST_RECORDS = 1000
"""Records that are predicted in one request."""


@dataclass(frozen=True)
class Trained:
    """A model, and what was done to the records that it was fitted to.

    visits is how a patient's visits became one record, None where they did not.
    """

    model: Model
    steps: tuple[Step, ...] = ()
    visits: Visits | None = None

    @property
    def before(self) -> tuple[Step, ...]:
        """What records go through before the model predicts for them."""
        return tuple(narrowed(self.steps, self.model.variables)[0])

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that a prediction reads."""
        return tuple(narrowed(self.steps, self.model.variables)[1])

    @property
    def fills(self) -> frozenset[str]:
        """Those of them that may be missing."""
        return frozenset(code for step in self.before for code in step.fills)

    @property
    def batches(self) -> dict[str, tuple[str, ...]]:
        """The levels that are known of variables that tell batches apart."""
        return {
            step.batch: tuple(batch.level for batch in step.batches)
            for step in self.before
            if isinstance(step, Harmonised)
        }

    def predict(self, block: Block) -> FloatArray:
        """As the model does, of records as they are; a number in the outcome's own unit."""
        predicted = self.model.predict(block.adjusted(self.before))
        if self.model.target is None:
            for step in reversed(self.steps):
                predicted = step.restored(self.model.outcome, predicted)
        return predicted


def trained_model(
    experiment: Experiment,
    algorithms: Mapping[str, Algorithm[Any, Any]],
    data_model: DataModel,
    analysis: int = 1,
) -> Trained:
    """The model that an experiment fitted; raises Conflict where it has none that predicts.

    analysis is the place of the analysis that fitted it, from 1.
    """
    if experiment.result is None:
        raise Conflict(
            f"Experiment {experiment.id} has no result", remedy="Choose one that is done."
        )
    answers = experiment.result.answers
    if not 1 <= analysis <= len(answers):
        raise Conflict(
            f"Experiment {experiment.id} has no analysis {analysis}",
            remedy=f"Choose one from 1 to {len(answers)}.",
        )
    answer = answers[analysis - 1]
    algorithm = find(experiment.request.analyses[analysis - 1].algorithm, algorithms)
    if answer.problem is not None:
        raise Conflict(
            f"{algorithm.label} has no answer: {answer.problem.detail}",
            remedy="Choose another analysis of the experiment.",
        )
    if not algorithm.predicts:
        raise Conflict(
            f"{algorithm.label} predicts nothing", remedy="Choose a regression or a classifier."
        )
    preparation = experiment.request.preparation
    if preparation is not None and preparation.is_multiple:
        raise Conflict(
            "Estimates pooled over several imputations are no model that predicts",
            remedy="Run the experiment again with one imputation, by means or regression.",
        )
    try:
        model: Model = algorithm.result.model_validate(answer.data).model
    except ValidationError:
        raise Conflict(
            "The experiment's model was made by another version of the algorithm",
            remedy="Run the experiment again.",
        ) from None
    prepared = experiment.result.preparation
    visits = None
    if preparation is not None and preparation.longitudinal is not None:
        visits = preparation.longitudinal.visits(data_model)
    trained = Trained(model, () if prepared is None else prepared.steps, visits)
    if model.outcome in trained.variables:
        raise Conflict(
            f"The covariates were prepared with regard to the outcome {model.outcome}, which is "
            "not known of new records",
            remedy="Run the experiment again without preserving the outcome.",
        )
    return trained


def predictions_of(
    engine: DuckDBEngine, trained: Trained, data_model: DataModel, snapshot: Snapshot
) -> pa.Table:
    """A row for each record of a snapshot: who it is, and what the model predicts for it.

    Of a model of joined visits, a record is a patient. A prediction is null where a value is
    missing that was not imputed in the training, or a level was in no record of it. Raises
    Conflict where covariates were harmonised by dataset, and the snapshot's was not among them.
    """
    batches = trained.batches.get(DATASET)
    if batches is not None and snapshot.dataset not in batches:
        raise Conflict(
            f"The model's covariates were harmonised between {', '.join(batches)}; the shift of "
            f"{snapshot.dataset} is not known",
            remedy="Train a model with that dataset, or without ComBat.",
        )
    variables = [data_model.variable(code) for code in trained.variables]
    selection = Selection(
        model=data_model.key,
        snapshots=(snapshot,),
        numeric=tuple(part.code for part in variables if part.is_numeric),
        nominal=tuple(part.code for part in variables if part.is_nominal),
        levels={
            part.code: _levels(part, (snapshot.dataset,)) for part in variables if part.is_nominal
        },
        complete=False,
        longitudinal=data_model.longitudinal and trained.visits is not None,
        visits=trained.visits,
    )
    blocks = encoded_blocks(engine, selection, (0,))
    predicted = np.concatenate([trained.predict(block) for block in blocks])
    people = _people(engine, selection, data_model)
    return pa.table({**people, **_told(trained.model, predicted)})


def _people(
    engine: DuckDBEngine, selection: Selection, data_model: DataModel
) -> dict[str, pa.ChunkedArray]:
    """Who each record is, in the selection's order."""
    (snapshot,) = selection.snapshots
    patient, visit = data_model.patient_column, data_model.visit_column
    if selection.visits is not None:
        told = replace(selection, identity=(patient,))
        return {patient: engine.codes(told)[0]} if patient in snapshot.variables else {}
    names = [name for name in (patient, visit) if name is not None and name in snapshot.variables]
    return engine.texts(snapshot, names)


def predictions_for(
    trained: Trained, data_model: DataModel, records: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """What the model predicts for records given as values by variable; raises RequestError.

    A variable may be left out where missing values of it were imputed in the training.
    """
    variables = [data_model.variable(code) for code in trained.variables]
    numeric = [part for part in variables if part.is_numeric]
    nominal = [part for part in variables if part.is_nominal]
    problems: list[FieldProblem] = []
    numbers: FloatArray = np.full((len(records), len(numeric)), np.nan, order="F")
    codes: CodeArray = np.full((len(records), len(nominal)), -1, dtype=np.int32, order="F")
    known = {part.code for part in variables}
    datasets = tuple(sorted({str(record.get(DATASET)) for record in records}))
    for row, record in enumerate(records):
        place = f"records[{row}]"
        problems += [
            FieldProblem(f"{place}.{name}", "the model does not use this variable")
            for name in record
            if name not in known
        ]
        for column, part in enumerate(numeric):
            value = record.get(part.code)
            if isinstance(value, int | float) and math.isfinite(value):
                numbers[row, column] = value
            elif part.code not in trained.fills or value is not None:
                problems.append(FieldProblem(f"{place}.{part.code}", "needs a number"))
        for column, part in enumerate(nominal):
            value = record.get(part.code)
            levels = _levels(part, datasets)
            allowed = trained.batches.get(part.code, levels)
            if value in allowed and value in levels:
                codes[row, column] = levels.index(value)
            elif part.code not in trained.fills or value is not None:
                told = ", ".join(allowed)
                problems.append(FieldProblem(f"{place}.{part.code}", f"needs one of {told}"))
    if problems:
        raise RequestError("These records cannot be predicted", fields=tuple(problems))
    layout = Layout(
        tuple(part.code for part in numeric),
        tuple(part.code for part in nominal),
        tuple(_levels(part, datasets) for part in nominal),
    )
    block = Block(layout, numbers, codes, np.zeros(len(records), dtype=np.int32), None)
    rows: list[dict[str, Any]] = pa.table(_told(trained.model, trained.predict(block))).to_pylist()
    return rows


def _levels(variable: Variable, datasets: tuple[str, ...]) -> tuple[str, ...]:
    return datasets if variable.code == DATASET else variable.levels


def _told(model: Model, predicted: FloatArray) -> dict[str, pa.Array]:
    if model.target is None:
        return {"predicted": pa.array(predicted, from_pandas=True)}
    unknown = np.isnan(predicted).any(axis=1)
    likeliest = np.where(unknown, 0, np.nan_to_num(predicted).argmax(axis=1))
    names = pa.array(np.array(model.target.classes)[likeliest], pa.string(), mask=unknown)
    chances = {
        f"chance of {name}": pa.array(predicted[:, index], from_pandas=True)
        for index, name in enumerate(model.target.classes)
    }
    return {"predicted": names, **chances}
