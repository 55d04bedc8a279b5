"""A result that shows itself: tables as pandas DataFrames, charts as Altair charts."""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

import altair
import vl_convert

from medmip.client.frames import frame_of, html_of, text_of

if TYPE_CHECKING:
    import pandas as pd

_WIDTH = 560
"""Pixels of a chart that takes the width of its place."""


class Table:
    """A table of a result; a suppressed count is the text `hidden`."""

    def __init__(self, view: Mapping[str, Any]) -> None:
        self.title: str = view["title"]
        self.note: str = view.get("note", "")
        self._columns = [(column["key"], column["label"]) for column in view["columns"]]
        self._rows = view["rows"]

    @property
    def frame(self) -> "pd.DataFrame":
        """The table to the last digit, a column named by its label, or key where labels repeat."""
        labels = [label for _, label in self._columns]
        named = {
            key: label if label and labels.count(label) == 1 else key
            for key, label in self._columns
        }
        rows = [{name: row.get(key) for key, name in named.items()} for row in self._rows]
        return frame_of(rows, list(named.values()))

    def __repr__(self) -> str:
        return f"{self.title}\n{text_of(self.frame)}\n{self.note}".rstrip()

    def _repr_html_(self) -> str:
        note = f"<p><small>{escape(self.note)}</small></p>" if self.note else ""
        return f"<h4>{escape(self.title)}</h4>{html_of(self.frame)}{note}"


class Chart:
    """A chart of a result; alt says in words what it shows."""

    def __init__(self, view: Mapping[str, Any]) -> None:
        self.title: str = view["title"]
        self.note: str = view.get("note", "")
        self.alt: str = view["alt"]
        self.spec: dict[str, Any] = view["spec"]

    @property
    def altair(self) -> Any:  # noqa: ANN401 - Altair has a type for each kind of chart
        """The chart as Altair has it, to be changed, shown or saved."""
        return altair.Chart.from_dict(self.spec)

    def svg(self) -> str:
        """The chart as a picture; raises ValueError where it cannot be drawn."""
        spec = self.spec
        if spec.get("width") == "container":
            spec = {**spec, "width": _WIDTH}
        # No name or address of a file that a specification gives is followed.
        return str(vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]))

    def __repr__(self) -> str:
        return f"{self.title}: {self.alt}"

    def _repr_html_(self) -> str:
        title = f"<h4>{escape(self.title)}</h4>"
        note = f"<p><small>{escape(self.note)}</small></p>" if self.note else ""
        try:
            drawn = b64encode(self.svg().encode()).decode()
        except ValueError:
            return f"{title}<p>{escape(self.alt)}</p>{note}"
        # Inside an image nothing is run and nothing fetched, whatever a picture holds.
        source = f"data:image/svg+xml;base64,{drawn}"
        picture = f'<img alt="{escape(self.alt)}" src="{source}" style="background: white">'
        return f"{title}{picture}{note}"


class Answer:
    """What one analysis found: data by stable names, tables and charts."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.label: str = document.get("label", "")
        self.data: dict[str, Any] = document["data"]
        self.views = _views(document["views"])

    @property
    def tables(self) -> list["pd.DataFrame"]:
        """Every table as a DataFrame, in the order in which they are shown."""
        return [view.frame for view in self.views if isinstance(view, Table)]

    @property
    def charts(self) -> list[Any]:
        """Every chart as Altair has it."""
        return [view.altair for view in self.views if isinstance(view, Chart)]

    def table(self, title: str) -> "pd.DataFrame":
        """The table of a title, or of the first title that begins so; raises KeyError."""
        tables = [view for view in self.views if isinstance(view, Table)]
        for view in sorted(tables, key=lambda view: view.title != title):
            if view.title.startswith(title):
                return view.frame
        raise KeyError(f"{title}; there are: {', '.join(view.title for view in tables)}")

    def __repr__(self) -> str:
        return "\n\n".join([self.label, *(repr(view) for view in self.views)])

    def _repr_html_(self) -> str:
        return f"<h3>{escape(self.label)}</h3>" + _html(self.views)


class Result(Answer):
    """What an experiment found; compared holds the answers of further algorithms, if any.

    provenance says what it rests on: versions of software and data, patients, exclusions.
    """

    def __init__(self, experiment: Mapping[str, Any]) -> None:
        super().__init__(experiment["result"])
        self.experiment: str = experiment["id"]
        self.name: str = experiment["name"]
        self.provenance: dict[str, Any] = experiment["provenance"] or {}
        self.compared = [Answer(part) for part in experiment["result"]["compared"]]
        self.comparison = _views(experiment["result"]["comparison"])

    def __repr__(self) -> str:
        parts = [self._headline(), *(repr(view) for view in self.comparison), super().__repr__()]
        return "\n\n".join([*parts, *(repr(answer) for answer in self.compared)])

    def _repr_html_(self) -> str:
        head = f"<p>{escape(self._headline())}</p>"
        others = "".join(answer._repr_html_() for answer in self.compared)
        return head + _html(self.comparison) + super()._repr_html_() + others

    def _headline(self) -> str:
        of = ", ".join(
            f"{part['dataset']} (version {part['version']}{_kind(part)})"
            for part in self.provenance.get("snapshots", [])
        )
        patients = self.provenance.get("patients", 0)
        return f"{self.name}: {patients:,} patients of {of}; experiment {self.experiment}"


def _kind(part: Mapping[str, Any]) -> str:
    return ", synthetic" if part.get("synthetic") else ""


def _views(views: list[Mapping[str, Any]]) -> list[Table | Chart]:
    return [Table(view) if view["kind"] == "table" else Chart(view) for view in views]


def _html(views: list[Table | Chart]) -> str:
    return "".join(_shown(views))


def _shown(views: list[Table | Chart]) -> Iterator[str]:
    for view in views:
        yield view._repr_html_()
