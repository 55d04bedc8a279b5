"""A result's charts as pictures inside a page: SVG without script, address or foreign file."""

import re
from collections.abc import Mapping
from itertools import count

import vl_convert

from medmip.algorithms.views import Chart

_WIDTH = 640
"""Pixels of a chart that takes the width of its place."""
_INK, _QUIET, _LINE = "#24343a", "#56666b", "#e3eaec"
_HUES = ["#2b6c99", "#d9722e", "#2f8f74", "#a8436b", "#7a62b3", "#b08d1e", "#5a6b70", "#6aa9cc"]
_MARK = {"color": _HUES[0]}
_CONFIG = {
    "font": "Arial, 'Liberation Sans', Helvetica, sans-serif",
    "background": "white",
    # A reader's machine may lack the letters by which the renderer measures, and have wider ones.
    "padding": {"left": 36, "right": 12, "top": 5, "bottom": 5},
    "view": {"stroke": "transparent"},
    "axis": {
        "labelColor": _QUIET,
        "titleColor": _QUIET,
        "gridColor": _LINE,
        "domainColor": _QUIET,
        "tickColor": _LINE,
        "titleFontWeight": 500,
        "titlePadding": 10,
        "labelLimit": 220,
    },
    "axisQuantitative": {"tickCount": 8},
    "legend": {
        "labelColor": _INK,
        "titleColor": _QUIET,
        "titleFontWeight": 500,
        "orient": "top",
        "columns": 3,
        "labelLimit": 150,
    },
    "header": {"labelColor": _INK, "titleColor": _QUIET},
    "rule": {"color": _QUIET},
    "text": {"color": _INK},
    **dict.fromkeys(("bar", "circle", "line", "area", "rect"), _MARK),
    "point": {**_MARK, "filled": True},
    "range": {"category": _HUES},
}
"""How charts look in print: as in the portal by day."""
_ADDRESS = re.compile(r'\s(?:xlink:)?href="(?!#)[^"]*"')
_NAMED = re.compile(r'(\sid="|url\(#|href="#)')


class Drawing:
    """Draws the charts of one page; what they name inside is told apart by a number."""

    def __init__(self) -> None:
        self._numbers = count(1)

    def svg(self, chart: Chart) -> str:
        """A chart as an SVG element; raises ValueError where its specification cannot be drawn."""
        # Names or addresses of files that a specification gives are not followed.
        drawn = str(
            vl_convert.vegalite_to_svg(_sized(chart.spec), config=_CONFIG, allowed_base_urls=[])
        )
        return _NAMED.sub(rf"\g<1>c{next(self._numbers)}-", _ADDRESS.sub("", drawn))

    def png(self, chart: Chart) -> bytes:
        """The same picture as a PNG of 180 dots an inch; raises ValueError as `svg` does."""
        return bytes(
            vl_convert.vegalite_to_png(
                _sized(chart.spec), scale=2.5, config=_CONFIG, allowed_base_urls=[]
            )
        )


def _sized(spec: Mapping[str, object]) -> dict[str, object]:
    """The specification with a width of its own where it would take that of its place."""
    return {**spec, "width": _WIDTH} if spec.get("width") == "container" else dict(spec)
