"""Which variable a column may be: by names and labels, then by what its values allow."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from rapidfuzz import fuzz

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable, VariableType
from medmip.harmonise.errors import MappingError
from medmip.harmonise.profile import Profile
from medmip.harmonise.units import conversion

LEAST_SCORE = 0.62
_SYNONYMS = {
    "minimentalstate": ("mmse", "mini mental", "minimental", "mmst", "mmse total"),
    "montrealcognitiveassessment": ("moca", "moca total", "montreal"),
    "subjectageyears": ("age", "alter", "age years", "patient age"),
    "subjectage": ("exact age", "age exact"),
    "gender": ("sex", "geschlecht", "sexe", "gender", "sesso"),
    "handedness": ("hand", "handed", "handedness", "handigkeit"),
    "apoe4": ("apoe", "apoe e4", "apoe4 alleles", "e4 alleles"),
    "ab1_42": ("abeta", "abeta42", "amyloid beta 42", "csf abeta", "ab42"),
    "ab1_40": ("abeta40", "amyloid beta 40", "ab40"),
    "t_tau": ("tau", "total tau", "ttau", "csf tau"),
    "p_tau": ("ptau", "phospho tau", "ptau181", "phosphorylated tau"),
    "tiv": ("icv", "etiv", "intracranial volume", "total intracranial volume"),
    "updrshy": ("hoehn yahr", "hy", "hoehn und yahr"),
    "updrstotal": ("updrs", "updrs total", "mds updrs total"),
    "alzheimerbroadcategory": ("diagnosis", "dx", "diagnose", "diag"),
    "subjectcode": ("patient", "patient id", "subject", "subject id", "pid", "patno", "rid"),
    "subjectid": ("patient", "patient id", "subject", "subject id", "pid", "patno", "rid"),
    "visitid": ("visit", "visit id", "visit code", "viscode", "event"),
}
_LEVELS = {
    "M": ("m", "male", "man", "mann", "homme", "masculin", "mannlich"),
    "F": ("f", "female", "woman", "w", "weiblich", "frau", "femme", "feminin"),
    "AD": ("ad", "alzheimer", "alzheimers disease", "dementia", "demenz"),
    "MCI": ("mci", "mild cognitive impairment"),
    "CN": ("cn", "nc", "hc", "control", "healthy control", "normal", "nl", "cognitively normal"),
    "R": ("r", "right", "rechts", "droite"),
    "L": ("l", "left", "links", "gauche"),
}
_UNITS = ("mm3", "cm3", "ml", "cc", "pg/ml", "ng/l", "ng/ml", "years", "months")
_LARGE = ("intracranial", "cerebral white", "ventric", "fluid", "total", "global")
_LARGEST, _LARGEST_REGION = 3_000, 100
"""cm3 that no head, and no region of a brain but the large ones, ever reaches."""
_SIDES = {
    **dict.fromkeys(("l", "lh", "lt", "links", "gauche", "sinistro", "izquierdo"), "left"),
    **dict.fromkeys(("r", "rh", "rt", "rechts", "droit", "droite", "destro", "derecho"), "right"),
}


@dataclass(frozen=True)
class Match:
    """A column, the variable it may be, how sure that is from 0 to 1, and why."""

    profile: Profile
    variable: Variable
    score: float
    why: str
    unit: str = ""
    codes: tuple[tuple[str, str], ...] = ()


def matches(columns: Sequence[Profile], model: DataModel) -> list[Match]:
    """The best pairs: no variable and no column twice, best scores first, none below the least."""
    pairs = [
        match
        for column in columns
        for variable in model.all_variables.values()
        if (match := _match(column, variable)) is not None and match.score >= LEAST_SCORE
    ]
    pairs.sort(key=lambda match: (-match.score, match.profile.name, match.variable.code))
    found: list[Match] = []
    taken: set[str] = set()
    for match in pairs:
        if match.profile.name not in taken and match.variable.code not in taken:
            taken |= {match.profile.name, match.variable.code}
            found.append(match)
    return found


def _match(column: Profile, variable: Variable) -> Match | None:
    name, why = _likeness(column, variable)
    if name < LEAST_SCORE - 0.15:
        return None
    if variable.is_numeric:
        return _numeric(column, variable, name, why)
    if variable.is_nominal and variable.levels:
        return _nominal(column, variable, name, why)
    return Match(column, variable, round(name * 0.98, 2), why)


def _numeric(column: Profile, variable: Variable, name: float, why: str) -> Match | None:
    if not column.numbers and column.filled:
        return None
    unit = _unit(column, variable)
    least, middle, most = (_turned(value, unit, variable) for value in _range(column))
    low = variable.minimum if variable.minimum is not None else least
    high = variable.maximum if variable.maximum is not None else most
    inside = not column.filled or (low <= least and most <= high)
    integer = variable.type is VariableType.INTEGER
    whole = all(float(value).is_integer() for value in (least, middle, most))
    score = name + (0.04 if inside else -0.2) - (0.05 if integer and not whole else 0.0)
    fits = "fit" if inside else "do not fit"
    if inside and variable.maximum is None:
        fits = "fit, as far as bounds are known"
    measured = f"in {unit}" if unit else ""
    if variable.units and not unit:
        measured = f"no unit is told, taken as {variable.units}"
    told = "; ".join(filter(None, (why, f"values {fits}", measured)))
    return Match(column, variable, _bounded(score), told, unit)


def _nominal(column: Profile, variable: Variable, name: float, why: str) -> Match | None:
    if column.filled and not column.codes:
        return None
    codes = tuple(
        (code, level)
        for code in column.codes
        if (level := _level(code, column.code_labels.get(code, ""), variable)) is not None
    )
    share = len(codes) / len(column.codes) if column.codes else 0.0
    told = f"{why}; {len(codes)} of {len(column.codes)} codes known"
    return Match(column, variable, _bounded(name + 0.1 * (share - 0.5)), told, codes=codes)


def _level(code: str, label: str, variable: Variable) -> str | None:
    texts = {_plain(code), _plain(label)} - {""}
    for enumeration in variable.enumerations:
        known = {_plain(enumeration.code), _plain(enumeration.label)}
        known |= set(_LEVELS.get(enumeration.code, ()))
        if texts & known:
            return enumeration.code
    return None


def _likeness(column: Profile, variable: Variable) -> tuple[float, str]:
    own = [text for text in (_words(column.name), _words(column.label)) if text]
    best, why = 0.0, ""
    for text in own:
        for known, told in _known(variable):
            score = 1.0 if text == known else _score(text, known)
            if score > best:
                best, why = score, f"like {told}"
    return best, why


@cache
def _known(variable: Variable) -> tuple[tuple[str, str], ...]:
    """Texts that may name a variable, and what they are."""
    texts = {variable.code: "its code", variable.label: "its label"}
    texts |= dict.fromkeys(_SYNONYMS.get(variable.code, ()), "a usual name")
    return tuple((_words(text), told) for text, told in texts.items())


@cache
def _score(one: str, other: str) -> float:
    """Word by word, and the whole; sides must not differ, nor what one name has only by a digit."""
    if _side(one) != _side(other) or _digits(one) != _digits(other):
        return 0.0
    whole = fuzz.ratio(one.replace(" ", ""), other.replace(" ", "")) / 100
    words = fuzz.token_sort_ratio(one, other) / 100
    return max(whole, words) * 0.97


def _side(text: str) -> str:
    return next((side for side in ("left", "right") if side in text), "")


def _digits(text: str) -> str:
    return "".join(re.findall(r"\d+", text))


def _words(name: str) -> str:
    """A name as words: camel case and separators divided, units left out, sides written out."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    plain = re.sub(r"[\[(].*?[\])]", " ", plain)
    words = re.split(r"[^a-z0-9/]+", _plain(plain, keep="/"))
    kept = [_SIDES.get(word, word) for word in words if word and word not in _UNITS]
    return " ".join(kept)


def _plain(text: str, keep: str = "") -> str:
    """Lower case without accents; what is no letter or digit is a blank."""
    decomposed = unicodedata.normalize("NFKD", text)
    bare = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
    return re.sub(rf"[^a-z0-9{re.escape(keep)}]+", " ", bare.replace("'", "")).strip()


def _unit(column: Profile, variable: Variable) -> str:
    """The unit that the name or label tells, else the one whose numbers fit a volume."""
    if column.unit:
        return column.unit if _turns(column.unit, variable) else ""
    text = f"{column.name} {column.label}".casefold()
    told = [unit for unit in _UNITS if re.search(rf"(?<![a-z]){re.escape(unit)}(?![a-z0-9])", text)]
    for unit in told:
        if _turns(unit, variable):
            return unit
    if variable.units != "cm3":
        return ""
    large = any(word in variable.label.casefold() for word in _LARGE)
    return "mm3" if column.middle > (_LARGEST if large else _LARGEST_REGION) else ""


def _turns(unit: str, variable: Variable) -> bool:
    if not variable.units:
        return False
    try:
        conversion(unit, variable.units, None, "")
    except MappingError:
        return False
    return True


def _turned(value: float, unit: str, variable: Variable) -> float:
    if not unit:
        return value
    found = conversion(unit, variable.units, None, "")
    return value * found.numerator / found.denominator + found.shift


def _range(column: Profile) -> tuple[float, float, float]:
    return column.least, column.middle, column.most


def _bounded(score: float) -> float:
    return round(min(max(score, 0.0), 1.0), 2)
