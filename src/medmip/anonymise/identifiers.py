"""Direct identifiers, found by a column's name and by the look of its cells."""

import re
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from medmip.anonymise.settings import Anonymisation
from medmip.catalogue.variable import Variable, VariableType
from medmip.store.sql_session import SqlSession, literal


@dataclass(frozen=True, slots=True)
class Source:
    """A column of the audited file: its name, its text as SQL, the variable that it is."""

    name: str
    cell: str
    variable: Variable | None
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """A column that may tell who a patient is: why, and in how many rows (0: by its name)."""

    column: str
    rule: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What cells of one kind look like (RE2), and how many of a column's must look so.

    A certain pattern is refused even in a column that somebody called harmless.
    """

    says: str
    look: str
    share: float = 0.0
    certain: bool = True


_PATTERNS = (
    _Pattern(
        "e-mail addresses", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}"
    ),
    _Pattern("web addresses", r"https?://|\bwww\.[a-z]"),
    _Pattern("telephone numbers", r"(^|[^0-9A-Za-z.])(\+|00)[1-9][0-9 ()./-]{7,16}[0-9]"),
    _Pattern(
        "telephone numbers",
        r"^\(?0[1-9][0-9]{0,3}\)?([ ./-]?[0-9]{2,4}){2,4}$",
        share=0.5,
        certain=False,
    ),
    _Pattern("Swiss social security numbers", r"\b756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}\b"),
    _Pattern(
        "French social security numbers",
        r"\b[12] ?[0-9]{2} ?(0[1-9]|1[0-2]) ?[0-9][0-9AB] ?[0-9]{3} ?[0-9]{3}( ?[0-9]{2})?\b",
    ),
    _Pattern("social security numbers", r"\b[0-9]{3}-[0-9]{2}-[0-9]{4}\b"),
    _Pattern("NHS numbers", r"\b[0-9]{3}[ -][0-9]{3}[ -][0-9]{4}\b"),
    _Pattern("Nordic personal numbers", r"\b[0-9]{6}[-+][0-9]{4}\b"),
    _Pattern("Italian fiscal codes", r"\b[A-Z]{6}[0-9]{2}[A-EHLMPR-T][0-9]{2}[A-Z][0-9]{3}[A-Z]\b"),
    _Pattern(
        "dates",
        r"\b(19|20)[0-9]{2}([-/.])(0?[1-9]|1[0-2])[-/.](0?[1-9]|[12][0-9]|3[01])\b"
        r"|\b(0?[1-9]|[12][0-9]|3[01])[-/. ](0?[1-9]|1[0-2])[-/. ](19|20)[0-9]{2}\b",
        certain=False,
    ),
    _Pattern(
        "persons' names",
        r"\b(Mr|Mrs|Ms|Dr|Prof|Mme|Mlle|M|Herr|Frau|Sig|Sra|Sr)\.? \p{Lu}\p{Ll}+",
        certain=False,
    ),
    _Pattern(
        "persons' names",
        r"^\p{Lu}[\p{L}'’-]*\p{Ll},? \p{Lu}[\p{L}'’-]*\p{Ll}$",
        share=0.5,
        certain=False,
    ),
)
_HOSPITAL_NUMBER = _Pattern("hospital numbers", r"^[0-9]{6,10}$", share=0.8, certain=False)

_NAMES = {
    "a person's name": "name firstname forename givenname lastname surname familyname maidenname "
    "fullname patientname nom prenom nomdefamille vorname nachname familienname cognome nome "
    "apellido apellidos nombre initials",
    "a date": "date datum dob dod birthdate dateofbirth birthday birthyear yearofbirth "
    "geburtsdatum gebdat gebdatum geburtsjahr datenaissance datedenaissance ddn naissance "
    "deathdate dateofdeath visitdate admissiondate dischargedate examdate scandate",
    "an e-mail address": "email mail courriel emailaddress",
    "a telephone number": "phone telephone telefon tel mobile handy fax "
    "phonenumber telephonenumber",
    "an address": "address adresse street strasse rue city ort town village plz zip zipcode "
    "postcode postalcode codepostal npa commune",
    "a hospital number": "mrn medicalrecordnumber patientnumber hospitalnumber fallnummer "
    "patientennummer ipp casenumber encounternumber accession accessionnumber",
    "a national number": "ssn socialsecuritynumber socialsecurity nss nir ahv avs ahvn13 ahvnummer "
    "nhs nhsnumber bsn cpr personnummer fodselsnummer codicefiscale nationalid insurancenumber "
    "versichertennummer passport",
    "a device or account": "ip ipaddress url account accountnumber iban serialnumber licenceplate",
}
_WHOLE = {name: kind for kind, names in _NAMES.items() for name in names.split()}
_WORDS = {
    name: kind
    for name, kind in _WHOLE.items()
    if name not in {"m", "tel", "mail", "ip", "url", "ort", "city", "mobile", "handy", "initials"}
}


def suspicious_name(name: str) -> str | None:
    """What a column of this name holds by the look of it: “a person's name”; None is nothing."""
    words = _words(name)
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            joined = "".join(words[start : start + length])
            kinds = _WHOLE if length == len(words) else _WORDS
            if joined in kinds:
                return kinds[joined]
    return None


def identifiers(
    session: SqlSession, table: str, sources: Sequence[Source], settings: Anonymisation
) -> Iterator[Finding]:
    """The columns that would be published with something that may tell who a patient is.

    What the settings drop, turn to pseudonyms or treat as dates is not looked at. Free text is
    a finding by itself, unless the settings call its column harmless, or its name says it all.
    """
    gone = {*settings.drop, *settings.dates, *settings.codes}
    looked = [source for source in sources if source.name not in gone]
    named = set()
    for source in looked:
        kind = suspicious_name(source.name)
        if kind and not source.is_key and source.name not in settings.harmless:
            named.add(source.name)
            yield Finding(source.name, f"by its name, {kind}")
    texts = [source for source in looked if _is_text(source) and not _hidden(source, settings)]
    seen = zip(texts, _counted(session, table, texts), strict=True)
    for source, (filled, numbers, *counts) in seen:
        harmless = source.name in settings.harmless
        found = list(_alike(source, counts, filled, certain=harmless))
        yield from found
        is_free = not source.is_key and not (source.variable and source.variable.is_numeric)
        told = found or harmless or source.name in named
        if numbers < filled and not told and is_free:
            yield Finding(source.name, "free text, which may name a person", filled)


def _alike(
    source: Source, counts: Sequence[int], filled: int, *, certain: bool
) -> Iterator[Finding]:
    told: set[str] = set()
    for pattern, count in zip(_patterns(), counts, strict=True):
        if pattern is _HOSPITAL_NUMBER and not source.is_key:
            continue
        enough = count > 0 and count >= pattern.share * filled
        if enough and pattern.says not in told and (pattern.certain or not certain):
            told.add(pattern.says)
            yield Finding(source.name, f"cells that look like {pattern.says}", count)


def _patterns() -> tuple[_Pattern, ...]:
    return (*_PATTERNS, _HOSPITAL_NUMBER)


def _counted(session: SqlSession, table: str, texts: Collection[Source]) -> list[list[int]]:
    """For each source the number of filled cells, of numbers, and of those of each pattern."""
    if not texts:
        return []
    counts = [
        count
        for source in texts
        for count in (
            f"count({source.cell})",
            f"count(*) FILTER (TRY_CAST(replace({source.cell}, ',', '.') AS DOUBLE) IS NOT NULL)",
            *(
                f"count(*) FILTER (regexp_matches({source.cell}, {literal(pattern.look)}))"
                for pattern in _patterns()
            ),
        )
    ]
    (row,) = session.rows(f"SELECT {', '.join(counts)} FROM {table}")  # noqa: S608
    numbers = [int(str(value)) for value in row]
    size = 2 + len(_patterns())
    return [numbers[place : place + size] for place in range(0, len(numbers), size)]


def _is_text(source: Source) -> bool:
    variable = source.variable
    if variable is None:
        return True
    if variable.type is VariableType.INTEGER:
        return variable.maximum is None
    return not variable.is_numeric and not variable.levels


def _hidden(source: Source, settings: Anonymisation) -> bool:
    """Whether it is the patient's code and becomes a pseudonym, or names the dataset."""
    named_so = source.variable is not None and source.variable.code in ("subjectcode", "subjectid")
    pseudonymised = settings.patient_codes == "pseudonymise" and source.is_key and named_so
    return pseudonymised or source.name == "dataset"


def _words(name: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    parted = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain)
    return [word for word in re.split(r"[^a-z0-9]+", parted.lower()) if word]
