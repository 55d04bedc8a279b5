"""Cell by cell: columns dropped, codes to pseudonyms, dates moved or turned to ages, ages capped.

Every expression is SQL over the typed rows, so that the snapshot is written in one pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from medmip.anonymise.errors import AnonymisationError
from medmip.anonymise.keyed import Keyed, derived, parameters, pseudonym_sql, shift_sql
from medmip.anonymise.settings import Anonymisation, DateRule
from medmip.anonymise.step import Step
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable, VariableType
from medmip.store.sql_session import literal, quoted

RAW = "__raw_"
"""What the raw text of a column of dates is called among the typed rows."""


@dataclass(frozen=True)
class Transformation:
    """The published columns in order, each as SQL over the typed rows, and what was done.

    dates are the file's columns of dates that the typed rows must hold as text, named
    `__raw_` and their name.
    """

    columns: Mapping[str, Keyed]
    steps: tuple[Step, ...]
    dates: tuple[str, ...]

    @property
    def select(self) -> str:
        return ", ".join(f"{part.sql} AS {quoted(name)}" for name, part in self.columns.items())

    @property
    def parameters(self) -> list[object]:
        return parameters([*self.columns.values()])

    @property
    def changes_nothing(self) -> bool:
        return not self.steps


def patient_key(key: bytes, settings: Anonymisation, model: str, dataset: str) -> bytes:
    """The key of a dataset's pseudonyms; the same for all of a hospital's where linkable.

    model is the code of the data model that the dataset was first published under.
    """
    return derived(key, "patients", *(() if settings.linkable else (model, dataset)))


def transformation(
    settings: Anonymisation, model: DataModel, patients: bytes, present: Sequence[str]
) -> Transformation:
    """What the settings do to a file with these columns.

    patients is the key of the dataset's pseudonyms. Raises AnonymisationError where a setting
    names what the file or the model does not have.
    """
    _check(settings, model, present)
    maker = _Maker(settings, model, patients, frozenset(present))
    columns: dict[str, Keyed] = {}
    steps: list[Step] = []
    for name in model.all_variables:
        made = maker.column(name)
        if made is not None:
            columns[name] = made[0]
            steps += made[1]
    gone = [name for name in present if name in settings.drop or maker.is_birth_date(name)]
    steps += [Step(column=name, done="left out") for name in gone]
    needed = {*settings.dates, *(rule.at for rule in settings.dates.values())}
    dates = [name for name in present if name in needed]
    return Transformation(columns, tuple(steps), tuple(dates))


def ages(settings: Anonymisation, model: DataModel) -> tuple[str, ...]:
    """The variables that are capped as ages."""
    if settings.ages is not None:
        return settings.ages
    return tuple(code for code, variable in model.all_variables.items() if _is_age(variable))


def _is_age(variable: Variable) -> bool:
    words = variable.code.lower(), variable.label.lower()
    in_years = variable.units.lower() in ("years", "year", "y", "a", "")
    return variable.is_numeric and in_years and any(_says_age(word) for word in words)


def _says_age(text: str) -> bool:
    return text in ("age", "exact age") or text.startswith(("subjectage", "age_"))


@dataclass(frozen=True)
class _Maker:
    settings: Anonymisation
    model: DataModel
    patients: bytes
    present: frozenset[str]

    def column(self, name: str) -> tuple[Keyed, list[Step]] | None:
        """A variable's SQL and what is done to it; None where it is not published."""
        if name in self.settings.drop or self.is_birth_date(name):
            return None
        if name == self.model.patient_column and name in self.present:
            return self._patient(name)
        made = self._made_of_dates(name)
        if made is None:
            if name not in self.present:
                return None
            made = (Keyed(quoted(name)), [])
            if name in self.settings.codes:
                coded = pseudonym_sql(derived(self.patients, "codes", name), quoted(name))
                return coded, [Step(column=name, done="codes replaced by keyed pseudonyms")]
        if name in ages(self.settings, self.model):
            return self._capped(name, *made)
        return made

    def is_birth_date(self, name: str) -> bool:
        rule = self.settings.dates.get(name)
        return rule is not None and rule.age is not None

    def _patient(self, name: str) -> tuple[Keyed, list[Step]]:
        if self.settings.patient_codes == "keep":
            return Keyed(quoted(name)), []
        done = "patients' codes replaced by keyed pseudonyms (HMAC-SHA-256)"
        return pseudonym_sql(self.patients, quoted(name)), [Step(column=name, done=done)]

    def _made_of_dates(self, name: str) -> tuple[Keyed, list[Step]] | None:
        rule = self.settings.dates.get(name)
        if rule is not None and rule.shift is not None and name in self.present:
            return self._shifted(name, rule, rule.shift)
        for birth, rule in self.settings.dates.items():
            if rule.age == name and rule.at is not None and birth in self.present:
                return self._age(name, birth, rule, rule.at)
        return None

    def _shifted(self, name: str, rule: DateRule, most: int) -> tuple[Keyed, list[Step]]:
        code = quoted(self.model.patient_column)
        days = shift_sql(derived(self.patients, "dates"), code, most)
        sql = f"strftime({_date(name, rule.format)} + to_days({days.sql}), '%Y-%m-%d')"
        done = f"dates moved by up to {most} days, all of a patient's by the same secret number"
        return Keyed(sql, days.parameters), [Step(column=name, done=done)]

    def _age(self, name: str, birth: str, rule: DateRule, at: str) -> tuple[Keyed, list[Step]]:
        born = _date(birth, rule.format)
        then = _date(at, self.settings.dates.get(at, rule).format)
        if self.model.variable(name).type is VariableType.INTEGER:
            sql = f"date_sub('year', {born}, {then})"
        else:
            sql = f"round(date_diff('day', {born}, {then}) / 365.25, 2)"
        return Keyed(sql), [Step(column=name, done=f"computed from {birth}, which is left out")]

    def _capped(self, name: str, made: Keyed, steps: list[Step]) -> tuple[Keyed, list[Step]]:
        cap = self.settings.oldest_age + 1
        is_integer = self.model.variable(name).type is VariableType.INTEGER
        limit = str(cap) if is_integer else f"{cap}::DOUBLE"
        sql = f"CASE WHEN {made.sql} > {limit} THEN {limit} ELSE {made.sql} END"
        done = f"{cap} stands for {cap} years and more"
        return Keyed(sql, made.parameters * 2), [*steps, Step(column=name, done=done)]


def date_problems(settings: Anonymisation, cells: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """For each column of dates, the SQL condition of cells that are none; cells are as SQL."""
    formats = {name: rule.format for name, rule in settings.dates.items()}
    for rule in settings.dates.values():
        if rule.at is not None:
            formats.setdefault(rule.at, rule.format)
    for name, form in formats.items():
        if name in cells:
            cell = cells[name]
            yield name, f"{cell} IS NOT NULL AND try_strptime({cell}, {literal(form)}) IS NULL"


def _date(name: str, form: str) -> str:
    return f"strptime({quoted(RAW + name)}, {literal(form)})::DATE"


def _check(settings: Anonymisation, model: DataModel, present: Sequence[str]) -> None:
    known = model.all_variables
    for name, rule in settings.dates.items():
        if rule.shift is not None and name in known and known[name].type is not VariableType.TEXT:
            raise AnonymisationError(
                f"dates.{name}: only a variable of type text can hold dates.",
                remedy="Drop the column, or give the variable the type text.",
            )
        if rule.age is None or name not in present:
            continue
        if rule.age not in known or not known[rule.age].is_numeric:
            raise AnonymisationError(
                f"dates.{name}: {rule.age} is no numeric variable of {model.key}."
            )
        if rule.age in present:
            raise AnonymisationError(
                f"dates.{name}: the file has the column {rule.age} already.",
                remedy=f"Drop {rule.age} or {name}.",
            )
        if rule.at not in present:
            raise AnonymisationError(
                f"dates.{name}: the file has no column {rule.at} to tell the age at."
            )
    keys = {model.patient_column, model.visit_column, "dataset"} & {*settings.drop}
    if keys:
        raise AnonymisationError(f"{', '.join(sorted(map(str, keys)))} cannot be dropped.")
