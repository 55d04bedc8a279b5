"""The tables around experiments: what they are found by, who sees them, what is said of them."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, String, Table, Text

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
