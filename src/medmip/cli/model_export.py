"""`mip model-export`: a trained model as a file for other software."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, opened

if TYPE_CHECKING:
    from medmip.experiments.prediction import ModelFormat


def model_export(
    experiment: Annotated[str, typer.Argument(help="The experiment that trained the model.")],
    output: Annotated[
        Path, typer.Option(help="The file to write: .json, or .onnx for other software.")
    ],
    analysis: Annotated[
        int, typer.Option(min=1, help="Of an experiment that compares several: whose model.")
    ] = 1,
    home: HomeOption = None,
) -> None:
    """Write a trained model to a file, as JSON or as an ONNX graph."""
    from medmip.catalogue.atomic_file import write_atomically
    from medmip.errors import RequestError
    from medmip.experiments.service import ExperimentService

    forms: dict[str, ModelFormat] = {".json": "json", ".onnx": "onnx"}
    if output.suffix not in forms:
        raise RequestError(
            "has no ending that names a format",
            where=str(output),
            remedy="End it in .json or .onnx.",
        )
    if not output.parent.is_dir():
        raise RequestError("is in no folder that exists", where=str(output))
    service = ExperimentService(opened(home))
    try:
        content = service.export(experiment, forms[output.suffix], analysis)
    finally:
        service.close()
    write_atomically(output, content)
    typer.echo(f"{len(content):,} bytes: {output}")
