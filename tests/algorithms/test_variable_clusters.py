"""Clusters of variables against SciPy and R, split over sites, and where they have no answer."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from medmip.algorithms.declaration import CannotCompute
from tests.algorithms.samples import brains, complete, splits
from tests.analysis import analyse

Method = Literal["average", "complete", "ward"]
LINKAGES: tuple[Method, ...] = ("average", "complete", "ward")
DISTANCES = ("absolute", "signed")
CODES = list("abcdefgh")


def cohort(records: int = 300, seed: int = 2) -> dict[str, Any]:
    """Three families of variables; c runs against its own, b is far from zero."""
    rng = np.random.default_rng(seed)
    roots = rng.normal(size=(records, 3))
    family, noise = [0, 0, 0, 1, 1, 1, 2, 2], [0.3, 0.6, 0.5, 0.4, 0.7, 0.9, 0.5, 0.8]
    values = roots[:, family] + np.array(noise) * rng.normal(size=(records, 8))
    values[:, 2] *= -1.0
    values[:, 1] = 1e8 + 5 * values[:, 1]
    return dict(zip(CODES, values.T, strict=True))


def fit(data: dict[str, Any], *, parts: Any = 1, **parameters: Any) -> Any:
    y = [code for code in data if code in CODES]
    return analyse("variable_clusters", data, y=y, parameters=parameters, parts=parts)


def distances(values: Any, distance: str) -> Any:
    centred = values - values.mean(axis=0)
    r = np.corrcoef(centred.T)
    return squareform(1 - (np.abs(r) if distance == "absolute" else r), checks=False)


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_the_tree_equals_scipys(linkage: Method, distance: str) -> None:
    data = cohort()
    apart = distances(np.column_stack(list(data.values())), distance)
    theirs = hierarchy.linkage(apart, linkage)
    ours = fit(data, linkage=linkage, distance=distance, clusters=3)
    assert [merge.height for merge in ours.merges] == pytest.approx(theirs[:, 2], rel=1e-8)
    sizes = [len(merge.left) + len(merge.right) for merge in ours.merges]
    assert sizes == theirs[:, 3].tolist()
    labels = hierarchy.fcluster(theirs, 3, "maxclust")
    same = labels[:, None] == labels[None, :]
    found = np.array(ours.membership)
    assert ((found[:, None] == found[None, :]) == same).all()
    assert ours.cophenetic == pytest.approx(hierarchy.cophenet(theirs, apart)[0], rel=1e-8)


R = """
d <- read.csv("{file}")
r <- cor(d)
h <- hclust(as.dist(1 - {near}), "{linkage}")
f <- function(x) paste0("[", paste(format(x, digits = 16), collapse = ","), "]")
cat(f(h$height), f(cutree(h, 4)), sep = "\\n")
"""


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("distance", DISTANCES)
def test_equals_r(need: Callable[..., str], tmp_path: Path, linkage: str, distance: str) -> None:
    data = cohort()
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False, float_format="%.17g")
    method = "ward.D2" if linkage == "ward" else linkage
    near = "abs(r)" if distance == "absolute" else "r"
    script = R.format(file=tmp_path / "d.csv", near=near, linkage=method)
    done = subprocess.run(
        [need("Rscript"), "-e", script], capture_output=True, text=True, check=True
    )
    heights, groups = (json.loads(line) for line in done.stdout.splitlines())
    ours = fit(data, linkage=linkage, distance=distance, clusters=4)
    assert [merge.height for merge in ours.merges] == pytest.approx(heights, rel=1e-8)
    first_seen = {group: place for place, group in reversed(list(enumerate(groups)))}
    places = {group: place for place, group in reversed(list(enumerate(ours.membership)))}
    assert [places[one] for one in ours.membership] == [first_seen[one] for one in groups]


def test_families_are_found_and_stand_together() -> None:
    ours = fit(cohort(), clusters=3)
    families = [{0, 1, 2}, {3, 4, 5}, {6, 7}]
    found = [
        {place for place, one in enumerate(ours.membership) if one == number}
        for number in (1, 2, 3)
    ]
    assert sorted(map(sorted, found)) == sorted(map(sorted, families))
    along = [ours.membership[place] for place in ours.order]
    assert along == sorted(along)
    assert fit(cohort(), clusters=3, distance="signed").membership != ours.membership


@pytest.mark.parametrize("parts", [*splits(400), 3], ids=str)
def test_split_equals_pooled(parts: Any) -> None:
    columns = {code: values for code, values in brains().items() if code in "abcd"}
    pooled, split = fit(columns), fit(columns, parts=parts)
    assert split.n == len(complete(columns, "abcd"))
    assert split.order == pooled.order
    assert [merge.height for merge in split.merges] == pytest.approx(
        [merge.height for merge in pooled.merges], rel=1e-9
    )
    assert np.array(split.correlations) == pytest.approx(
        np.array(pooled.correlations), rel=1e-9, abs=1e-12
    )


def test_copies_join_at_once() -> None:
    data = cohort()
    ours = fit({"a": data["a"], "b": -3 * data["a"], "c": data["d"]})
    assert ours.merges[0].height == pytest.approx(0.0, abs=1e-12)
    assert {*ours.merges[0].left, *ours.merges[0].right} == {0, 1}


def test_ties_still_give_the_clusters_asked_for() -> None:
    square = np.array([[1, 1], [1, -1], [-1, 1], [-1, -1]], dtype=float).repeat(5, axis=0)
    data = {"a": square[:, 0], "b": square[:, 1], "c": square.prod(axis=1)}
    ours = fit(data, clusters=2)
    assert sorted(set(ours.membership)) == [1, 2]
    assert ours.cophenetic is None


def test_two_variables_make_one_merge() -> None:
    data = cohort()
    ours = fit({"a": data["a"], "b": data["b"]})
    (merge,) = ours.merges
    assert merge.height == pytest.approx(1 - abs(np.corrcoef(data["a"], data["b"])[0, 1]), rel=1e-8)
    assert ours.membership is None
    assert ours.cophenetic is None
    assert [view.title for view in ours.views()] == [
        "Tree of variables",
        "Correlations in the tree's order",
        "Merges",
    ]


@pytest.mark.parametrize(
    "data, clusters, message",
    [
        (cohort() | {"b": np.full(300, 0.1)}, None, "constant: b"),
        (cohort(), 9, "9 clusters cannot be made of 8 variables"),
        ({"a": np.arange(2.0), "b": np.arange(2.0)}, None, "at least three records"),
    ],
)
def test_without_an_answer_it_says_why(data: dict[str, Any], clusters: Any, message: str) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(data, clusters=clusters)


def test_views_follow_the_tree() -> None:
    views = fit(cohort(), clusters=3).views()
    tree, heat, clusters, merges = views
    assert [view.kind for view in views] == ["chart", "chart", "table", "table"]
    assert "labelExpr" in str(tree.spec)
    assert len(clusters.rows) == 8
    assert len(merges.rows) == 7
    assert heat.alt.startswith("Heat map of the correlations of 8 variables")
