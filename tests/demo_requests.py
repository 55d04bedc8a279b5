"""For every algorithm a request that the demonstration's data answer, as a researcher would ask it.

Most of it follows from the declaration; where a paper would ask something else, CHOICES says so.
"""

from dataclasses import dataclass, field
from typing import Any

from medmip.algorithms.declaration import Algorithm

FLAT, VISITS = "dementia:1.0", "dementia_longitudinal:1.0"
DATASETS = {FLAT: ["edsd-synthetic"], VISITS: ["memoryclinic-synthetic"]}
NUMERIC = (
    "lefthippocampus",
    "subjectageyears",
    "minimentalstate",
    "leftententorhinalarea",
    "rightamygdala",
    "leftlateralventricle",
)
NOMINAL = ("alzheimerbroadcategory", "gender", "apoe4", "agegroup", "scanner")
LEVELS = {"alzheimerbroadcategory": ("AD", "CN"), "gender": ("F", "M")}


@dataclass(frozen=True)
class Choice:
    """What is asked of one algorithm, where it does not follow from the declaration."""

    y: tuple[str, ...] = ()
    x: tuple[str, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    datasets: tuple[str, ...] = ()


_SURVIVAL = ("followupmonths",)
_ADNI = ("adni-synthetic",)
_WITH_SEX = ("subjectageyears", "gender", "lefthippocampus")
_CLASSES = ("lefthippocampus", "leftententorhinalarea", "subjectageyears", "gender")
_VOLUMES = (
    "lefthippocampus",
    "righthippocampus",
    "leftententorhinalarea",
    "leftamygdala",
    "leftputamen",
    "leftcaudate",
    "leftlateralventricle",
    "_3rdventricle",
)

CHOICES = {
    "kaplan_meier": Choice(
        _SURVIVAL, ("followupstatus", "alzheimerbroadcategory"), {"event": "dementia"}, _ADNI
    ),
    "cox": Choice(
        _SURVIVAL,
        ("followupstatus", "subjectageyears", "gender", "lefthippocampus", "apoe4"),
        {"event": "dementia"},
        _ADNI,
    ),
    "glm": Choice(
        ("fallspastyear",),
        ("subjectageyears", "gender", "neurodegenerativescategories"),
        {"family": "negative binomial"},
        ("ppmi-synthetic",),
    ),
    "ordinal_regression": Choice(("cdrglobal",), _WITH_SEX, {}, _ADNI),
    "anova_twoway": Choice(("lefthippocampus",), ("alzheimerbroadcategory", "gender")),
    "ancova": Choice(("lefthippocampus",), ("alzheimerbroadcategory", "subjectageyears", "tiv")),
    "ttest_paired": Choice(("lefthippocampus",), ("righthippocampus",)),
    "mann_whitney": Choice(
        ("minimentalstate",), ("alzheimerbroadcategory",), {"group_a": "AD", "group_b": "CN"}
    ),
    "kruskal_wallis": Choice(("minimentalstate",), ("alzheimerbroadcategory",)),
    "ttest_onesample": Choice(("minimentalstate",), (), {"mu": 27}),
    "mca": Choice(("alzheimerbroadcategory", "gender", "apoe4", "agegroup")),
    "subgroup_discovery": Choice(
        ("alzheimerbroadcategory",), ("gender", "apoe4", "agegroup"), {"target": "AD"}
    ),
    "linear_regression": Choice(
        ("lefthippocampus",), ("subjectageyears", "gender", "alzheimerbroadcategory", "tiv")
    ),
    "logistic_regression": Choice(("alzheimerbroadcategory",), _CLASSES, {"positive_class": "AD"}),
    "elastic_net": Choice(("lefthippocampus",), _VOLUMES[1:]),
    "mixed_model": Choice(("lefthippocampus",), ("timesincebaseline", "gender", "subjectageyears")),
    "gee": Choice(("minimentalstate",), ("timesincebaseline", "gender", "subjectageyears")),
    "pca": Choice(_VOLUMES),
    "variable_clusters": Choice(_VOLUMES),
    "pearson_correlation": Choice(_VOLUMES),
    "spearman_correlation": Choice(_VOLUMES),
    "gaussian_mixture": Choice(("lefthippocampus", "minimentalstate")),
    "kmeans": Choice(_VOLUMES[:5]),
    "box_plot": Choice(("lefthippocampus", "righthippocampus"), ("alzheimerbroadcategory",)),
    "scatter": Choice(("lefthippocampus", "subjectageyears"), ("alzheimerbroadcategory",)),
    "histogram": Choice(("lefthippocampus",), ("gender",), {"bins": 12}),
    "describe": Choice(("lefthippocampus", "minimentalstate", "gender", "apoe4")),
    "missing_data": Choice(("lefthippocampus", "minimentalstate", "apoe4", "ab1_42", "plasma_nfl")),
}
CHOICES["gradient_boosting"] = Choice(("alzheimerbroadcategory",), _CLASSES, {"rounds": 20})
CHOICES |= {
    name: Choice(("alzheimerbroadcategory",), _CLASSES)
    for name in (
        "decision_tree",
        "discriminant",
        "multinomial_regression",
        "naive_bayes",
        "perceptron",
        "random_forest",
        "linear_svm",
    )
}


def request_of(algorithm: Algorithm[Any, Any]) -> dict[str, Any]:
    """A request with the algorithm's roles filled and its required parameters given."""
    model = VISITS if algorithm.repeated else FLAT
    choice = CHOICES.get(algorithm.name, Choice())
    roles: dict[str, list[str]] = {"y": list(choice.y), "x": list(choice.x)}
    free = {"numeric": list(NUMERIC), "nominal": list(NOMINAL)}
    for place in ("y", "x") if not choice.y else ():
        for role in getattr(algorithm, place):
            wanted = max(role.minimum, min(role.maximum or 2, 2))
            for index in range(wanted):
                kind = role.kinds.names[index % len(role.kinds.names)]
                roles[place].append(free[kind].pop(0))
    parameters = dict(choice.parameters)
    schema = algorithm.parameters.model_json_schema()
    for name in schema.get("required", []):
        declared = schema["properties"][name]
        if name not in parameters and "level_of" in declared:
            places = algorithm.places(roles["y"], roles["x"])
            levels = LEVELS[places[declared["level_of"]][0]]
            parameters[name] = next(one for one in levels if one not in parameters.values())
        else:
            parameters.setdefault(name, 2)
    data = {"data_model": model, "datasets": list(choice.datasets) or DATASETS[model]} | roles
    return {"algorithm": algorithm.name, "inputdata": data, "parameters": parameters}
