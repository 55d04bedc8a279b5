"""The files that a mapping names, found among those given and read as tables of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from medmip.harmonise.errors import MappingError
from medmip.harmonise.mapping import Source
from medmip.harmonise.mapping_file import MappingFile
from medmip.ingest.errors import IngestError
from medmip.ingest.formats import SUFFIXES, Format
from medmip.ingest.source_table import SourceTable, read_source
from medmip.ingest.table_reading import format_of
from medmip.ingest.unpacking import unpack


@dataclass(frozen=True)
class Gathered:
    """The tables of each source, in the mapping's order, and the files that no source wanted."""

    tables: dict[str, tuple[SourceTable, ...]]
    unused: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that was read, in the order in which rows count them."""
        return tuple(table.file for tables in self.tables.values() for table in tables)


def candidates(paths: Sequence[Path], work: Path) -> list[Path]:
    """Files as they are, those in folders, and those in zips unpacked into work."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                file
                for file in path.iterdir()
                if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
            )
            found += candidates(inside, work)
        elif not path.is_file():
            raise IngestError("There is no such file.", where=str(path))
        elif format_of(path) is Format.ZIP:
            folder = work / f"zip{len(found)}"
            folder.mkdir()
            found += unpack(path, folder)
        else:
            found.append(path)
    return found


def gather(paths: Sequence[Path], mapping: MappingFile, work: Path, memory: str) -> Gathered:
    """Read what a mapping's sources name; raises MappingError where a file is not there, or its
    columns differ from those of another file of the source.
    """
    files = candidates(paths, work)
    text = mapping.content.decode("utf-8", "replace").casefold()
    tables: dict[str, tuple[SourceTable, ...]] = {}
    used: set[Path] = set()
    for name, source in mapping.mapping.sources.items():
        matched = [file for file in files if _matches(file, source)]
        if not matched and not source.optional:
            raise MappingError(
                f"No file is named {source.file}.",
                where=f"sources.{name}",
                remedy="The files are "
                + (", ".join(sorted(file.name for file in files)) or "none")
                + "; name the right one in the mapping.",
            )
        used |= set(matched)
        tables[name] = tuple(
            _read(file, source, name, index, text, work, memory)
            for index, file in enumerate(matched)
        )
        names = {table.table.names for table in tables[name]}
        if len(names) > 1:
            raise MappingError(
                f"The files named {source.file} have different columns.", where=f"sources.{name}"
            )
    unused = tuple(file.name for file in files if file not in used)
    return Gathered(tables, unused)


def _matches(file: Path, source: Source) -> bool:
    return fnmatchcase(file.name.casefold(), source.file.casefold())


def _read(
    file: Path, source: Source, name: str, index: int, text: str, work: Path, memory: str
) -> SourceTable:
    """Only columns that the mapping's text names are kept."""
    folder = work / f"{name}{index}"
    folder.mkdir()
    try:
        options = source.options().model_copy(update={"memory": memory})
    except ValueError as error:
        raise MappingError(str(error).splitlines()[-1], where=f"sources.{name}") from None
    return read_source(file, folder, options, wanted=lambda column: column.casefold() in text)
