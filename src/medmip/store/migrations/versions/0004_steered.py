"""The sets of sites that totals of steering statistics were of."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "steered",
        sa.Column("cohort", sa.String(64), primary_key=True),
        sa.Column("sites_hash", sa.String(64), primary_key=True),
        sa.Column("sites", sa.JSON, nullable=False),
    )
