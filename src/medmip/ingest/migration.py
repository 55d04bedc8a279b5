"""From one data model's version to another: published datasets moved by a small YAML file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from medmip.anonymise.step import Step
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.variable import DATASET, Variable, VariableType
from medmip.errors import FieldProblem
from medmip.ingest.errors import MigrationError
from medmip.ingest.session import Session
from medmip.ingest.work import work_folder
from medmip.stewardship.applied import applied_to
from medmip.stewardship.patients import carry
from medmip.store.parquet import COMPRESSION, PATIENT_COLUMN, ROW_GROUP
from medmip.store.snapshots import Datasets, Snapshot
from medmip.store.sql_session import literal, parquet, quoted


class Migration(BaseModel):
    """Old codes to new ones.

    rename maps a variable's old code to its new one, levels by the new code each old level to
    its new one, drop are old codes that have no place in the new model. What is not named
    stays as it is.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    source: str = Field(alias="from")
    target: str = Field(alias="to")
    rename: Mapping[str, str] = {}
    levels: Mapping[str, Mapping[str, str]] = {}
    drop: tuple[str, ...] = ()


def read_migration(path: Path) -> Migration:
    """The migration in a YAML file; raises MigrationError naming each field."""
    try:
        return Migration.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        raise MigrationError(
            "It is no YAML that can be read.", where=path.name, remedy="Save it as UTF-8."
        ) from None
    except ValidationError as error:
        fields = tuple(
            FieldProblem(".".join(map(str, part["loc"])), part["msg"]) for part in error.errors()
        )
        raise MigrationError(
            "The migration says what it cannot say.",
            where=path.name,
            remedy="It has from, to, rename, levels and drop.",
            fields=fields,
        ) from None


@dataclass(frozen=True)
class _Column:
    old: str
    variable: Variable
    sql: str


def migrate(
    home: Home, migration: Migration, source: DataModel, target: DataModel, dataset: str
) -> Snapshot:
    """Publish the dataset's current version under the new model; the old one stays as it is.

    Every value must keep the new model's rules. Raises MigrationError naming the variables that do
    not, UnknownDataset, StoreError.
    """
    datasets = Datasets(home)
    current = datasets.current(source.key, dataset)
    columns = _columns(migration, source, target, current)
    with work_folder(home) as work:
        session = Session(work, "512MB", [home.datasets])
        try:
            _check(session, current, columns, target)
            file = work / f"{dataset}.parquet"
            cells = ", ".join(f"{one.sql} AS {quoted(one.variable.code)}" for one in columns)
            session.run(
                f"""
                COPY (SELECT {cells}, {PATIENT_COLUMN} FROM {parquet(current.path)})
                TO {literal(str(file))}
                (FORMAT parquet, COMPRESSION {COMPRESSION}, ROW_GROUP_SIZE {ROW_GROUP})
                """  # noqa: S608
            )
            applied = _applied(current, migration, source, target)
            _carry_patients(home, current, source, target)
            (published,) = datasets.publish_all(
                {dataset: file},
                target.key,
                f"{current.source}, moved from {source.key} version {current.version}",
                current.synthetic,
                move=True,
                applied={dataset: applied},
            )
        finally:
            session.close()
    return published


def _carry_patients(home: Home, current: Snapshot, source: DataModel, target: DataModel) -> None:
    """The way back to the patients goes with the version, where there is one."""
    done = applied_to(current)
    if done is None or done.patients_table is None:
        return
    try:
        carry(home, source.key, target.key, current.dataset, done.patients_table)
    except OSError as error:
        raise MigrationError(
            f"The table of the patients of {current.dataset} cannot be kept under {target.key}: "
            f"{error.strerror}; nothing was published.",
            remedy="See that it is there and that the home folder has room.",
        ) from None


def _applied(current: Snapshot, migration: Migration, source: DataModel, target: DataModel) -> str:
    """What was done to the version, and the moving; its pseudonyms go on under the old model."""
    done = applied_to(current)
    if done is None:
        return ""
    renamed = migration.rename.items()
    steps = [Step(column=new, done=f"named {old} in {source.key}") for old, new in renamed]
    steps += [
        Step(column=name, done=f"{old} became {new}")
        for name, levels in migration.levels.items()
        for old, new in levels.items()
    ]
    steps += [
        Step(column=name, done=f"left out, moving from {source.key}")
        for name in migration.drop
        if name in current.variables
    ]
    under = done.pseudonyms or source.code
    update = {
        "steps": (*done.steps, *steps),
        "pseudonyms": "" if under == target.code else under,
    }
    return done.model_copy(update=update).model_dump_json()


def _columns(
    migration: Migration, source: DataModel, target: DataModel, current: Snapshot
) -> list[_Column]:
    if source.longitudinal != target.longitudinal:
        raise MigrationError(
            f"{source.key} and {target.key} are not both longitudinal.",
            remedy="Import the file anew under the new model.",
        )
    stated = {*migration.rename, *migration.drop} - {*source.all_variables}
    if stated:
        raise MigrationError(f"{source.key} has no variable {', '.join(sorted(stated))}.")
    kept = [name for name in current.variables if name not in migration.drop]
    new = {name: migration.rename.get(name, name) for name in kept}
    unknown = [f"{old} ({code})" for old, code in new.items() if code not in target.all_variables]
    if unknown:
        raise MigrationError(
            f"{target.key} has no place for {', '.join(unknown)}.",
            remedy="Name them under rename or drop.",
        )
    if len({*new.values()}) < len(new):
        raise MigrationError("Two variables would get the same code.", remedy="Rename or drop one.")
    by_code = {code: old for old, code in new.items()}
    return [
        _column(by_code[code], variable, migration.levels.get(code, {}))
        for code, variable in target.all_variables.items()
        if code in by_code
    ]


_TYPES = {VariableType.REAL: "DOUBLE", VariableType.INTEGER: "BIGINT"}


def _column(old: str, variable: Variable, levels: Mapping[str, str]) -> _Column:
    cell = quoted(old)
    if levels:
        text = f"CAST({cell} AS VARCHAR)"
        cases = " ".join(f"WHEN {literal(a)} THEN {literal(b)}" for a, b in levels.items())
        cell = f"CASE {text} {cases} ELSE {text} END"
    return _Column(old, variable, f"TRY_CAST({cell} AS {_TYPES.get(variable.type, 'VARCHAR')})")


def _check(session: Session, current: Snapshot, columns: list[_Column], target: DataModel) -> None:
    """Every value fits the new model: its type, its levels, its bounds."""
    broken = ", ".join(f"count(*) FILTER ({_broken(column)})" for column in columns)
    (row,) = session.rows(f"SELECT {broken} FROM {parquet(current.path)}")  # noqa: S608
    fields = tuple(
        FieldProblem(column.variable.code, f"{count} records hold what {target.key} does not allow")
        for column, count in zip(columns, row, strict=True)
        if count
    )
    if fields:
        raise MigrationError(
            f"{current.dataset} does not fit {target.key}; nothing was published.",
            remedy="Name its old levels under levels, or change the new model.",
            fields=fields,
        )


def _broken(column: _Column) -> str:
    variable, cell = column.variable, column.sql
    rules = [f"({quoted(column.old)} IS NOT NULL AND {cell} IS NULL)"]
    if variable.type is VariableType.INTEGER:
        # A fraction would be rounded without a word.
        rules.append(f"TRY_CAST({quoted(column.old)} AS DOUBLE) % 1 <> 0")
    if variable.levels and variable.code != DATASET:
        levels = ", ".join(literal(level) for level in variable.levels)
        rules.append(f"NOT list_contains([{levels}], {cell})")
    if variable.minimum is not None:
        rules.append(f"{cell} < {variable.minimum!r}")
    if variable.maximum is not None:
        rules.append(f"{cell} > {variable.maximum!r}")
    return f"coalesce({' OR '.join(rules)}, false)"
