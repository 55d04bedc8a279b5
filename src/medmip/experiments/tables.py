"""The tables around experiments: what finds them, who sees them, what is said and used."""

from sqlalchemy import Column, Date, DateTime, ForeignKey, Index, Integer, String, Table, Text

from medmip.store.state import metadata


def _of_experiment() -> Column[str]:
    return Column(
        "experiment",
        String(36),
        ForeignKey("experiments.id", ondelete="CASCADE"),
        primary_key=True,
    )


parts = Table(
    "experiment_parts",
    metadata,
    _of_experiment(),
    Column("kind", String(16), primary_key=True),
    Column("name", String(200), primary_key=True),
    Index("experiment_parts_by_name", "kind", "name", "experiment"),
)
"""kind is `algorithm`, `dataset`, `variable` or `tag`."""

readers = Table(
    "experiment_readers",
    metadata,
    _of_experiment(),
    Column("reader", String(36), primary_key=True),
    Index("experiment_readers_by_reader", "reader", "experiment"),
)
"""Who may see an experiment besides its author: a person's id, or everybody with an account."""

stars = Table(
    "experiment_stars",
    metadata,
    _of_experiment(),
    Column("person", String(200), primary_key=True),
    Index("experiment_stars_by_person", "person", "experiment"),
)

comments = Table(
    "experiment_comments",
    metadata,
    Column("id", String(36), primary_key=True),
    Column(
        "experiment",
        String(36),
        ForeignKey("experiments.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("author", String(200), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("text", Text, nullable=False),
    Index("experiment_comments_by_experiment", "experiment"),
)

page_views = Table(
    "page_views",
    metadata,
    Column("day", Date, primary_key=True),
    Column("page", String(20), primary_key=True),
    Column("views", Integer, nullable=False),
)
"""How often a page of the portal was seen on a day, by whomever: no person is kept beside it."""
