"""Multiple correspondence analysis against NumPy and R, split over sites, and its refusals."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from medmip.algorithms.declaration import CannotCompute
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.samples import splits
from tests.analysis import analyse

CODES = ["region", "smoker", "stage", "treated"]


def cohort(records: int = 400, seed: int = 6) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    lean = rng.normal(size=records)
    turn = rng.normal(size=records)

    def cut(values: Any, names: str) -> Any:
        edges = np.quantile(values, np.linspace(0, 1, len(names) + 1)[1:-1])
        return np.array(list(names))[np.searchsorted(edges, values)]

    return {
        "region": cut(turn + 0.6 * rng.normal(size=records), "nesw"),
        "smoker": cut(lean + rng.normal(size=records), "pxy"),
        "stage": cut(lean + 0.3 * turn + 0.5 * rng.normal(size=records), "1234"),
        "treated": cut(lean - turn + rng.normal(size=records), "NY"),
    }


def fit(data: dict[str, Any], y: list[str] = CODES, **options: Any) -> Any:
    return analyse("mca", data, y=y, **options)


def indicators(data: dict[str, Any], y: list[str]) -> Any:
    return np.column_stack(
        [(data[code] == level).astype(float) for code in y for level in sorted(set(data[code]))]
    )


def by_singular_values(z: Any, q: int) -> tuple[Any, Any, Any]:
    """Inertias, principal coordinates and contributions from the indicators, (n, levels)."""
    p = z / z.sum()
    r, c = p.sum(axis=1), p.sum(axis=0)
    _, sizes, turns = np.linalg.svd((p - np.outer(r, c)) / np.sqrt(np.outer(r, c)), False)
    number = z.shape[1] - q
    standard = turns[:number].T / np.sqrt(c)[:, None]
    return sizes[:number] ** 2, standard * sizes[:number], turns[:number].T ** 2


@pytest.mark.parametrize("axes", [2, 9])
def test_equals_the_singular_values_of_the_indicators(axes: int) -> None:
    data = cohort()
    z = indicators(data, CODES)
    inertias, coordinates, contributions = by_singular_values(z, 4)
    ours = fit(data, parameters={"axes": axes})
    assert [part.inertia for part in ours.inertias] == pytest.approx(inertias, rel=1e-8)
    assert sum(part.inertia for part in ours.inertias) == pytest.approx(ours.total_inertia)
    assert sum(part.share for part in ours.inertias) == pytest.approx(1.0)
    found = np.array([part.coordinates for part in ours.categories])
    theirs = coordinates[:, :axes]
    signs = np.sign((found * theirs).sum(axis=0))
    assert found == pytest.approx(theirs * signs, rel=1e-8, abs=1e-10)
    weights = np.array([part.contributions for part in ours.categories])
    assert weights == pytest.approx(contributions[:, :axes], rel=1e-8, abs=1e-10)
    cosines = np.array([part.squared_cosines for part in ours.categories])
    far = (coordinates**2).sum(axis=1, keepdims=True)
    assert cosines == pytest.approx(theirs**2 / far, rel=1e-8, abs=1e-10)
    assert [part.n for part in ours.categories] == z.sum(axis=0).tolist()


def test_correlation_ratios_are_those_of_the_records_scores() -> None:
    data = cohort()
    z = indicators(data, CODES)
    ours = fit(data)
    standard = np.array([part.coordinates for part in ours.categories]) / np.sqrt(
        [part.inertia for part in ours.inertias[:2]]
    )
    scores = z @ standard / 4
    for code, ratios in zip(CODES, ours.correlation_ratios, strict=True):
        frame = pd.DataFrame(scores).groupby(data[code])
        between = (frame.transform("mean") ** 2).mean().to_numpy()
        assert ratios == pytest.approx(between / (scores**2).mean(axis=0), rel=1e-8)


def test_adjusted_inertias_follow_their_definitions() -> None:
    data = cohort()
    z = indicators(data, CODES)
    burt = z.T @ z
    # Greenacre's total is the mean inertia of the tables of two different variables.
    ends = np.cumsum([0, 4, 3, 4, 2])
    tables = [
        burt[ends[i] : ends[i + 1], ends[j] : ends[j + 1]] / 400
        for i in range(4)
        for j in range(4)
        if i != j
    ]
    whole = np.mean(
        [
            ((p - np.outer(p.sum(1), p.sum(0))) ** 2 / np.outer(p.sum(1), p.sum(0))).sum()
            for p in tables
        ]
    )
    ours = fit(data)
    told = [part for part in ours.inertias if part.adjusted is not None]
    adjusted = np.array([(4 / 3 * (part.inertia - 1 / 4)) ** 2 for part in told])
    assert [part.adjusted for part in told] == pytest.approx(adjusted, rel=1e-8)
    assert [part.benzecri for part in told] == pytest.approx(adjusted / adjusted.sum(), rel=1e-8)
    assert [part.greenacre for part in told] == pytest.approx(adjusted / whole, rel=1e-8)
    assert all(part.inertia <= 0.25 for part in ours.inertias if part.adjusted is None)


R = """
suppressMessages(library(MASS))
d <- read.csv("{file}", stringsAsFactors = TRUE, colClasses = "factor")
m <- mca(d, nf = 2)
f <- function(x) paste0("[", paste(format(c(x), digits = 16), collapse = ","), "]")
cat(f(m$d), f(m$cs), sep = "\\n")
"""


def test_equals_r(need: Callable[..., str], tmp_path: Path) -> None:
    data = cohort()
    pd.DataFrame(data).to_csv(tmp_path / "d.csv", index=False)
    script = R.format(file=tmp_path / "d.csv")
    done = subprocess.run(
        [need("Rscript"), "-e", script], capture_output=True, text=True, check=True
    )
    sizes, columns = (json.loads(line) for line in done.stdout.splitlines())
    ours = fit(data)
    found = [part.inertia**0.5 for part in ours.inertias[:2]]
    assert found == pytest.approx(sizes[:2], rel=1e-8)
    for axis, theirs in enumerate(np.reshape(columns, (2, -1))):
        mine = np.array([part.coordinates[axis] for part in ours.categories])
        # MASS scales a category's vertex by the number of variables and the root of records.
        standard = theirs * 4 * 400**0.5 * found[axis]
        assert mine == pytest.approx(np.sign(mine @ standard) * standard, rel=1e-8, abs=1e-10)


def test_two_variables_are_a_simple_correspondence_analysis() -> None:
    data = cohort()
    table = pd.crosstab(data["smoker"], data["stage"]).to_numpy() / 400
    independent = np.outer(table.sum(axis=1), table.sum(axis=0))
    inertia = np.linalg.svd((table - independent) / np.sqrt(independent))[1] ** 2
    ours = fit(data, ["smoker", "stage"])
    told = [part.adjusted for part in ours.inertias if part.adjusted is not None]
    assert told == pytest.approx(inertia[:2], rel=1e-8)


@pytest.mark.parametrize("parts", [*splits(400), 3], ids=str)
def test_split_equals_pooled(parts: Any) -> None:
    data = cohort()
    pooled, split = fit(data), fit(data, parts=parts)
    assert [part.n for part in split.categories] == [part.n for part in pooled.categories]
    for one, other in zip(pooled.categories, split.categories, strict=True):
        assert other.coordinates == pytest.approx(one.coordinates, rel=1e-9)
    for mine, theirs in zip(pooled.inertias, split.inertias, strict=True):
        assert theirs.inertia == pytest.approx(mine.inertia, rel=1e-9)


def test_incomplete_records_are_dropped_and_empty_levels_left_out() -> None:
    data = cohort()
    stage = data["stage"].astype(object)
    stage[:30] = None
    levels = {"stage": ("0", "1", "2", "3", "4")}
    ours = fit(data | {"stage": stage}, levels=levels)
    assert (ours.n, ours.excluded) == (370, 30)
    assert [part.level for part in ours.categories if part.variable == "stage"] == list("1234")
    expected = fit({code: values[30:] for code, values in data.items()})
    assert ours.inertias == expected.inertias


def test_a_variable_and_its_copy_have_fewer_axes() -> None:
    data = cohort()
    ours = fit(data | {"copy": data["stage"]}, ["stage", "copy"], parameters={"axes": 9})
    assert [part.inertia for part in ours.inertias] == pytest.approx([1.0, 1.0, 1.0], rel=1e-8)
    assert len(ours.categories[0].coordinates) == 3


def test_independent_variables_have_no_adjusted_inertia() -> None:
    pairs = np.array([(a, b) for a in "xy" for b in "uv"] * 20)
    ours = fit({"one": pairs[:, 0], "two": pairs[:, 1]}, ["one", "two"])
    assert [part.inertia for part in ours.inertias] == pytest.approx([0.5, 0.5])
    assert all((part.adjusted or 0.0) < 1e-12 for part in ours.inertias)
    assert ours.views()


def test_a_small_level_is_refused_by_name() -> None:
    data = cohort()
    data["region"][:5] = "z"
    with pytest.raises(Refused, match=r"\(region\[z\]\)"):
        fit(data, policy=Policy(overlap="off"))


def test_a_small_pair_is_refused_where_the_axes_tell_it() -> None:
    data = cohort()
    rows = np.flatnonzero((data["smoker"] == "p") & (data["stage"] == "4"))
    data["stage"][rows[3:]] = "3"
    closed = Policy(overlap="off")
    assert fit(data, policy=closed).n == 400
    with pytest.raises(Refused, match=r"smoker\[p\] with stage\[4\]"):
        fit(data, policy=closed, parameters={"axes": 9})
    with pytest.raises(Refused, match=r"smoker\[p\] with stage\[4\]"):
        fit(data, ["smoker", "stage"], policy=closed)


def test_a_single_level_is_named() -> None:
    with pytest.raises(CannotCompute, match="single level in this cohort: region"):
        fit(cohort() | {"region": np.full(400, "n")})


def test_repeated_visits_are_counted_as_records() -> None:
    data = cohort()
    visits = data | {"subjectid": np.array([f"s{index // 2:03d}" for index in range(400)])}
    assert fit(visits).n == 400


def test_views_show_what_a_paper_prints() -> None:
    titles = [view.title for view in fit(cohort()).views()]
    assert titles == ["Map of the categories", "Principal inertias", "Categories", "Variables"]
    binary = {"one": np.repeat(["x", "y"], 20), "two": np.repeat(["u", "v"], 20)}
    alone = fit(binary, ["one", "two"])
    assert len(alone.inertias) == 1
    assert "the only one" in alone.views()[0].alt
