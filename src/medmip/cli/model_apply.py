"""`mip model-apply`: what a trained model predicts for the records of this hospital."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, opened

if TYPE_CHECKING:
    from medmip.catalogue.home import Home
    from medmip.experiments.service import ExperimentService
    from medmip.store.snapshots import Snapshot


def model_apply(
    experiment: Annotated[str, typer.Argument(help="The experiment that trained the model.")],
    output: Annotated[Path, typer.Option(help="The CSV file to write, readable by you alone.")],
    dataset: Annotated[
        str | None, typer.Option(help="A published dataset of the experiment's data model.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Or a CSV file of new records, checked as an import."
        ),
    ] = None,
    analysis: Annotated[
        int, typer.Option(min=1, help="Of an experiment that compares several: whose model.")
    ] = 1,
    home: HomeOption = None,
) -> None:
    """Predict for each record of a dataset or file; the predictions stay on this server.

    A prediction is empty where a value is missing, or a level was not in the training.
    """
    from io import BytesIO

    from pyarrow import csv

    from medmip.catalogue.atomic_file import write_atomically
    from medmip.catalogue.home import Home
    from medmip.errors import RequestError
    from medmip.experiments.service import ExperimentService

    if (dataset is None) == (file is None):
        raise typer.BadParameter("give either --dataset or --file")
    if not output.parent.is_dir():
        raise RequestError("is in no folder that exists", where=str(output))
    place = opened(home)
    service = ExperimentService(place)
    try:
        with tempfile.TemporaryDirectory(prefix=".apply-", dir=place.datasets) as folder:
            if dataset is not None:
                snapshot = _published(service, experiment, dataset)
            else:
                snapshot = _read(service, experiment, Home(Path(folder)), Path(str(file)))
            table = service.apply(experiment, snapshot, analysis=analysis)
    finally:
        service.close()
    content = BytesIO()
    csv.write_csv(table, content)
    write_atomically(output, content.getvalue())
    unknown = table.column("predicted").null_count
    typer.echo(f"{table.num_rows - unknown} of {table.num_rows} records predicted: {output}")


def _published(service: "ExperimentService", experiment: str, dataset: str) -> "Snapshot":
    from medmip.errors import NotFound

    key = service.get(experiment).request.inputdata.data_model
    found = {snapshot.dataset: snapshot for snapshot in service.datasets.list(key)}
    if dataset not in found:
        raise NotFound(
            f"{dataset} is not published under {key}",
            remedy=f"Published are: {', '.join(found) or 'none'}.",
        )
    return found[dataset]


def _read(service: "ExperimentService", experiment: str, home: "Home", file: Path) -> "Snapshot":
    from medmip.ingest import import_file

    model = service.models.get(service.get(experiment).request.inputdata.data_model)
    (snapshot,) = import_file(home, file, model, dataset="new-records", anonymised=False)
    return snapshot
