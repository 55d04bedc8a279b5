"""Small data models, and hypothesis strategies for any."""

import copy
import string

from hypothesis import strategies as st

from medmip.catalogue.data_model import DataModel, Group
from medmip.catalogue.variable import Enumeration, Variable, VariableType

SMALL = {
    "code": "toy",
    "version": "1.0",
    "label": "Toy",
    "variables": [
        {
            "code": "dataset",
            "label": "Dataset",
            "type": "nominal",
            "sql_type": "text",
            "isCategorical": True,
        },
        {
            "code": "subjectcode",
            "label": "Patient",
            "type": "text",
            "sql_type": "text",
            "isCategorical": False,
        },
    ],
    "groups": [
        {
            "code": "demographics",
            "label": "Demographics",
            "variables": [
                {
                    "code": "gender",
                    "label": "Gender",
                    "description": "",
                    "type": "nominal",
                    "sql_type": "text",
                    "isCategorical": True,
                    "enumerations": [
                        {"code": "M", "label": "Male"},
                        {"code": "F", "label": "Female"},
                    ],
                    "units": "",
                    "methodology": "",
                }
            ],
            "groups": [
                {
                    "code": "ages",
                    "label": "Ages",
                    "variables": [
                        {
                            "code": "age",
                            "label": "Age",
                            "type": "integer",
                            "sql_type": "int",
                            "isCategorical": False,
                            "minValue": 0,
                            "maxValue": 130,
                            "units": "years",
                        }
                    ],
                }
            ],
        }
    ],
}


def small():
    """A fresh copy of a valid model's JSON, to break."""
    return copy.deepcopy(SMALL)


def nested(depth):
    """A valid model's JSON whose groups are nested so deep."""
    raw = small()
    inner = raw["groups"]
    for level in range(depth - 1):
        child = {"code": f"g{level}", "label": f"Level {level}", "variables": [], "groups": []}
        (inner[0].setdefault("groups", [])).insert(0, child)
        inner = inner[0]["groups"]
    return raw


_CODE = st.from_regex(r"(?!__)[a-z_][a-z0-9_]{0,15}", fullmatch=True)
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
_LABEL = _TEXT.filter(bool)
_WORD = st.text(string.ascii_letters + string.digits + " +-/é€", min_size=1, max_size=8).filter(
    lambda word: word == word.strip()
)
_BOUND = st.floats(allow_nan=False, allow_infinity=False)
_SQL = {
    VariableType.NOMINAL: ("text", "int"),
    VariableType.TEXT: ("text",),
    VariableType.REAL: ("real",),
    VariableType.INTEGER: ("int",),
}


@st.composite
def variables(draw, code):
    type_ = draw(st.sampled_from(VariableType))
    levels, low, high = [], None, None
    if type_ is VariableType.NOMINAL:
        levels = draw(st.lists(_WORD, max_size=4, unique=True))
    elif type_ is not VariableType.TEXT:
        low, high = draw(st.none() | _BOUND), draw(st.none() | _BOUND)
        if low is not None and high is not None:
            low, high = sorted((low, high))
    return Variable(
        code=code,
        label=draw(_LABEL),
        description=draw(_TEXT),
        type=type_,
        sql_type=draw(st.sampled_from(_SQL[type_])),
        enumerations=tuple(Enumeration(code=level, label=draw(_LABEL)) for level in levels),
        minimum=low,
        maximum=high,
        units=draw(_TEXT),
        methodology=draw(_TEXT),
    )


@st.composite
def models(draw):
    """Any valid model: variables of every type, in groups within groups."""
    longitudinal = draw(st.booleans())
    required = ["dataset", *(["subjectid", "visitid"] if longitudinal else ["subjectcode"])]
    codes = draw(st.lists(_CODE.filter(lambda c: c not in required), max_size=8, unique=True))
    pool = iter([draw(variables(code)) for code in codes])

    def some():
        count = draw(st.integers(0, 3))
        return tuple(variable for variable, _ in zip(pool, range(count), strict=False))

    def groups(depth):
        names = draw(st.lists(_WORD, max_size=2, unique=True)) if depth < 4 else []
        return tuple(
            Group(
                code=name,
                label=draw(_LABEL),
                description=draw(_TEXT),
                variables=some(),
                groups=groups(depth + 1),
            )
            for name in names
        )

    needed = tuple(
        Variable(code=code, label=code, type=VariableType.TEXT, sql_type="text")
        for code in required
    )
    return DataModel(
        code=draw(st.from_regex(r"[A-Za-z][A-Za-z0-9_-]{0,9}", fullmatch=True)),
        version=draw(st.from_regex(r"[0-9][0-9.]{0,5}", fullmatch=True)),
        label=draw(_LABEL),
        description=draw(_TEXT),
        longitudinal=longitudinal,
        variables=(*needed, *some()),
        groups=groups(0),
    )
