"""How often the portal's pages are seen, counted by day and by nobody's name."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "page_views",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("page", sa.String(20), primary_key=True),
        sa.Column("views", sa.Integer, nullable=False),
    )
