"""Experiments, ledger, cohorts."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("algorithm", sa.String(100), nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("user", sa.String(200), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started", sa.DateTime(timezone=True)),
        sa.Column("finished", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("rounds", sa.Integer, nullable=False),
        sa.Column("fraction", sa.Float),
        sa.Column("result", sa.JSON),
        sa.Column("problem", sa.JSON),
        sa.Column("provenance", sa.JSON),
    )
    op.create_index("experiments_by_time", "experiments", ["created"])
    op.create_table(
        "ledger",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("user", sa.String(200), nullable=False),
        sa.Column("experiment", sa.String(36), nullable=False),
        sa.Column("algorithm", sa.String(100), nullable=False),
        sa.Column("cohort", sa.String(64), nullable=False),
        sa.Column("snapshots", sa.JSON, nullable=False),
        sa.Column("statistic", sa.String(100), nullable=False),
        sa.Column("verdict", sa.String(16), nullable=False),
        sa.Column("rule", sa.String(40), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("suppressed", sa.Integer, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
    )
    op.create_table(
        "cohorts",
        sa.Column("fingerprint", sa.String(64), primary_key=True),
        sa.Column("snapshot", sa.String(64), primary_key=True),
        sa.Column("records", sa.Integer, nullable=False),
        sa.Column("held", sa.LargeBinary, nullable=False),
    )
    op.create_index("cohorts_by_snapshot", "cohorts", ["snapshot"])
