"""`mip run`: one analysis, or a file of them."""

import json
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from medmip.cli.options import HomeOption, JsonOption, opened

if TYPE_CHECKING:
    from collections.abc import Mapping

    from medmip.experiments.experiment import Experiment
    from medmip.experiments.request import Request


def run(
    algorithm: Annotated[str | None, typer.Argument(help="See `mip algorithm list`.")] = None,
    request: Annotated[
        Path | None,
        typer.Option(
            help="A JSON file with one request or a list of them; - reads standard input."
        ),
    ] = None,
    model: Annotated[str, typer.Option(help="Data model, such as dementia:1.0.")] = "",
    datasets: Annotated[str, typer.Option(help="Datasets, separated by commas.")] = "",
    y: Annotated[str, typer.Option(help="Outcome variables, separated by commas.")] = "",
    x: Annotated[str, typer.Option(help="Covariates, separated by commas.")] = "",
    filters: Annotated[
        Path | None, typer.Option("--filter", help="A JSON file with a QueryBuilder filter.")
    ] = None,
    parameter: Annotated[
        list[str] | None, typer.Option(help="A parameter as name=value; value may be JSON.")
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option(help="A parameter as name=[value, …]; the validation's folds choose."),
    ] = None,
    compare: Annotated[
        list[str] | None, typer.Option(help="A further algorithm over the same cohort.")
    ] = None,
    folds: Annotated[
        int | None, typer.Option(help="Validate the predictions in so many folds of patients.")
    ] = None,
    hold_out: Annotated[
        str | None, typer.Option(help="Validate on this dataset, trained on the others.")
    ] = None,
    leave_one_dataset_out: Annotated[
        bool, typer.Option("--leave-one-dataset-out", help="Validate on each dataset in turn.")
    ] = False,
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run one analysis, or those of a file, and print the results.

    Every analysis goes through the same guard and ledger as the portal's.
    """
    from medmip.cli.federated import sites_of
    from medmip.errors import RequestError
    from medmip.experiments.service import ExperimentService
    from medmip.logbook import write_log_to

    if (request is None) == (algorithm is None):
        raise typer.BadParameter("name an algorithm, or a file with --request; not both")
    documents = (
        _read(request)
        if request is not None
        else {
            "algorithm": algorithm,
            "inputdata": {
                "data_model": model,
                "datasets": _codes(datasets),
                "y": _codes(y),
                "x": _codes(x),
                "filters": None if filters is None else _read(filters),
            },
            "parameters": dict(_parameter(text) for text in parameter or []),
            "grid": dict(_parameter(text) for text in grid or []),
            "compare": [{"algorithm": name} for name in compare or []],
            "validation": _validation(folds, hold_out, each=leave_one_dataset_out),
        }
    )
    listed = isinstance(documents, list)
    place = opened(home)
    write_log_to(place.logs / "mip.jsonl")
    connected = ExitStack()
    service = ExperimentService(place, sites=sites_of(place, connected))
    answers: list[dict[str, Any]] = []
    try:
        for document in documents if listed else [documents]:
            try:
                experiment = service.run(_request(document))
            except RequestError as error:
                if not listed:
                    raise
                answers.append({"state": "failed", "request": document, "problem": _problem(error)})
                continue
            answers.append(experiment.model_dump(mode="json"))
            if not as_json:
                show_experiment(experiment)
    finally:
        service.close()
        connected.close()
    if as_json:
        typer.echo(json.dumps(answers if listed else answers[0], indent=2))
    elif any("name" not in answer for answer in answers):
        for answer in answers:
            if "name" not in answer:
                typer.echo(answer["problem"]["detail"], err=True)
    if any(answer["state"] != "done" for answer in answers):
        raise typer.Exit(1)


def _read(path: Path) -> Any:  # noqa: ANN401
    from medmip.errors import RequestError

    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
        return json.loads(text)
    except OSError as error:
        raise RequestError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RequestError(f"is not JSON: {error}", where=str(path)) from None


def _codes(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _parameter(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise typer.BadParameter(f"{text!r} is not name=value")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value


def _validation(folds: int | None, hold_out: str | None, *, each: bool) -> dict[str, Any] | None:
    if sum((folds is not None, hold_out is not None, each)) > 1:
        raise typer.BadParameter("choose one of --folds, --hold-out and --leave-one-dataset-out")
    if folds is not None:
        return {"kind": "folds", "folds": folds}
    if hold_out is not None:
        return {"kind": "hold_out", "dataset": hold_out}
    return {"kind": "leave_one_dataset_out"} if each else None


def _request(document: object) -> "Request":
    from pydantic import ValidationError

    from medmip.errors import FieldProblem, RequestError
    from medmip.experiments.request import Request

    try:
        return Request.model_validate(document)
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(str(part) for part in detail["loc"]), detail["msg"])
            for detail in error.errors(include_input=False, include_url=False)
        )
        raise RequestError("The request is not valid", fields=problems) from None


def _problem(error: Exception) -> dict[str, str]:
    return {"title": "The request is not valid", "detail": str(error)}


def show_experiment(experiment: "Experiment") -> None:
    """Prints an experiment's tables, or why it has none."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    from medmip.algorithms.views import Table as TableView

    console = Console()
    typer.echo(f"\n{experiment.name} ({experiment.algorithm}): {experiment.state}")
    if experiment.problem is not None:
        lines = [experiment.problem.title, experiment.problem.detail, experiment.problem.remedy]
        typer.echo("\n".join(line for line in lines if line), err=True)
        return
    if experiment.result is None:
        typer.echo(f"The experiment was {experiment.state}.", err=True)
        return
    result = experiment.result
    views = [*result.comparison, *(view for answer in result.answers for view in answer.views)]
    for view in views:
        if not isinstance(view, TableView):
            continue
        table = Table(
            title=view.title,
            caption=view.note or None,
            title_justify="left",
            caption_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        for column in view.columns:
            if column.format == "text":
                table.add_column(column.label, overflow="fold", min_width=12)
            else:
                table.add_column(column.label, justify="right", no_wrap=True)
        for row in view.rows:
            table.add_row(*(_cell(row, column.key, column.format) for column in view.columns))
        # A number is never cut: a terminal that is too narrow breaks the line itself.
        needed = Measurement.get(console, console.options.update(max_width=10_000), table).minimum
        console.print(table, width=max(console.width, needed), crop=False)
    if experiment.provenance is not None:
        used = ", ".join(
            f"{part.dataset} v{part.version}{' synthetic' if part.synthetic else ''} "
            f"({part.hash[:12]})"
            for part in experiment.provenance.snapshots
        )
        typer.echo(f"{experiment.provenance.software}; {used}; experiment {experiment.id}")
        if experiment.provenance.aggregation:
            typer.echo(experiment.provenance.aggregation)


def _cell(row: "Mapping[str, object]", key: str, form: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if form == "number":
        form = str(row.get("format", form))
    if isinstance(value, float):
        if form == "pvalue":
            return "<0.0001" if value < 1e-4 else f"{value:.4f}"
        return f"{value:.5g}"
    return str(value)
