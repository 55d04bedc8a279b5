"""Publishing files through a mapping, as an import publishes one."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.harmonise.mapped import mapped
from medmip.harmonise.mapping_file import MappingFile
from medmip.ingest.dialect import Options
from medmip.ingest.publish import Imported, Read, bring_in
from medmip.ingest.reading import Progress, Reading
from medmip.stewardship.policy import DatasetPolicy


def harmonise(
    home: Home,
    paths: Sequence[Path],
    mapping: MappingFile,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
    *,
    quarantine: bool = False,
    allow_small_change: bool = False,
    synthetic: bool = False,
    report: Path | None = None,
    stated: DatasetPolicy | None = None,
    progress: Progress | None = None,
) -> Imported:
    """Make rows of files by a mapping and publish them; see ingest.publish.bring_in.

    The mapping is kept with each version. Raises MappingError and what bring_in raises.
    """
    return bring_in(
        home,
        paths[0],
        model,
        dataset,
        options,
        quarantine=quarantine,
        allow_small_change=allow_small_change,
        synthetic=synthetic,
        report=report,
        stated=stated,
        progress=progress,
        through=through_mapping(paths, mapping, model, dataset, options),
    )


def through_mapping(
    paths: Sequence[Path],
    mapping: MappingFile,
    model: DataModel,
    dataset: str | None = None,
    options: Options | None = None,
) -> Read:
    """The way to the rows that a mapping makes of files."""

    @contextmanager
    def read(*, home: Home, also: Sequence[Path], progress: Progress | None) -> Iterator[Reading]:
        with mapped(
            paths, mapping, model, dataset, options, home=home, also=also, progress=progress
        ) as made:
            yield made.reading

    return read
