"""How charts are drawn: labels that find room, ratios on their scale, colours with a night side."""

import re
from pathlib import Path

import numpy as np
import pytest

from medmip.algorithms import palette
from medmip.algorithms.coefficients import Coefficient, forest_plot
from medmip.algorithms.confusion import confusion_chart
from medmip.algorithms.level_axis import level_axis
from medmip.algorithms.names import CODES, written_unit
from tests.conftest import ROOT


def coefficient(estimate, reach):
    ends = {"lower": estimate - reach, "upper": estimate + reach}
    return Coefficient(
        term="age", estimate=estimate, std_error=1.0, statistic=1.0, p_value=0.5, **ends
    )


@pytest.mark.parametrize(
    "labels, step, angle, broken",
    [
        (["Male", "Female"], None, 0, False),
        (["Alzheimer's disease", "Mild cognitive impairment"], 96, 0, True),
        (["Left hippocampus", "Right hippocampus"], 36, -40, False),
        ([], None, 0, False),
    ],
)
def test_labels_lie_level_where_they_find_room(labels, step, angle, broken):
    axis = level_axis(labels, step).to_dict()
    assert axis["labelAngle"] == angle
    assert ("labelExpr" in axis) == broken
    if broken:
        assert '["Mild cognitive", "impairment"]' in axis["labelExpr"]


def test_a_forest_of_ratios_stands_about_one_and_is_cut_where_it_has_no_end():
    chart = forest_plot([coefficient(0.5, 0.2)], 0.95, "", "", CODES, ratio=True)
    (row,) = chart.spec["layer"][1]["data"]["values"]
    assert row["estimate"] == pytest.approx(np.exp(0.5))
    assert row["lower"] == pytest.approx(np.exp(0.3))
    assert chart.spec["layer"][0]["data"]["values"] == [{"none": 1}]
    endless = forest_plot([coefficient(3.0, 1e9)], 0.95, "", "", CODES, ratio=True)
    (row,) = endless.spec["layer"][1]["data"]["values"]
    assert 0 < row["lower"] < row["estimate"] < row["upper"] < np.inf


def test_a_hidden_count_leaves_no_share_behind():
    open_, hidden = (
        confusion_chart(["a", "b"], counts, 10).spec
        for counts in ([[30, 10], [0, 20]], [[30, None], [None, 20]])
    )
    assert [cell["weight"] for cell in open_["data"]["values"]] == [75, 25, 0, 100]
    assert [cell["weight"] for cell in hidden["data"]["values"]] == [30, None, None, 20]
    assert [cell["told"] for cell in hidden["data"]["values"]] == ["30", "hidden", "hidden", "20"]


def test_units_have_their_powers_above():
    assert [written_unit(unit) for unit in ("cm3", "mm2", "pg/mL", "ab1")] == [
        "cm³", "mm²", "pg/mL", "ab1",
    ]  # fmt: skip


def test_every_colour_of_a_chart_has_a_night_side():
    theme = (ROOT / "portal/src/charts/chart-theme.ts").read_text()
    night = set(re.findall(r"'(#[0-9a-f]{6})': '#[0-9a-f]{6}'", theme))
    assert night == {palette.BLUE, palette.RED, palette.INK, palette.PALE}


def test_algorithms_name_colours_by_the_palette_alone():
    folder = Path(palette.__file__).parent
    named = {
        path.name
        for path in folder.glob("*.py")
        if re.search(r'"#[0-9a-fA-F]{3,6}"', path.read_text())
    }
    assert named == {"palette.py"}
