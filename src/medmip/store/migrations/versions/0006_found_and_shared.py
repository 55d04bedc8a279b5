"""What experiments are found by, who else may see them, and what is said of them."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.add_column("experiments", sa.Column("origin", sa.String(36)))
    op.drop_index("experiments_by_time", "experiments")
    op.create_index("experiments_listed", "experiments", ["created", "id", "user", "state", "name"])

    def of_experiment() -> sa.Column[str]:
        return sa.Column(
            "experiment",
            sa.String(36),
            sa.ForeignKey("experiments.id", ondelete="CASCADE"),
            primary_key=True,
        )

    op.create_table(
        "experiment_parts",
        of_experiment(),
        sa.Column("kind", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(200), primary_key=True),
    )
    op.create_index("experiment_parts_by_name", "experiment_parts", ["kind", "name", "experiment"])
    op.create_table(
        "experiment_readers",
        of_experiment(),
        sa.Column("reader", sa.String(36), primary_key=True),
    )
    op.create_index("experiment_readers_by_reader", "experiment_readers", ["reader", "experiment"])
    op.create_table(
        "experiment_stars",
        of_experiment(),
        sa.Column("person", sa.String(200), primary_key=True),
    )
    op.create_index("experiment_stars_by_person", "experiment_stars", ["person", "experiment"])
    op.create_table(
        "experiment_comments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column(
            "experiment",
            sa.String(36),
            sa.ForeignKey("experiments.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("text", sa.Text, nullable=False),
    )
    op.create_index("experiment_comments_by_experiment", "experiment_comments", ["experiment"])
    _tell_parts(op.get_bind())


def _tell_parts(connection: sa.Connection) -> None:
    """Writes down the parts of the experiments that are there already."""
    requests = sa.table("experiments", sa.column("id"), sa.column("request", sa.JSON))
    parts = sa.table(
        "experiment_parts", sa.column("experiment"), sa.column("kind"), sa.column("name")
    )
    for row in connection.execute(sa.select(requests)).all():
        found = [
            {"experiment": row.id, "kind": kind, "name": name}
            for kind, name in sorted(set(_parts(row.request)))
        ]
        if found:
            connection.execute(sa.insert(parts), found)


def _parts(request: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for analysis in (request, *request.get("compare", ())):
        yield "algorithm", analysis["algorithm"][:200]
    data = request["inputdata"]
    for code in data["datasets"]:
        yield "dataset", code[:200]
    for code in (*(data.get("y") or ()), *(data.get("x") or ())):
        yield "variable", code[:200]
