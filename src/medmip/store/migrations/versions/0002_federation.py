"""Sites of a federation and invitations, at its hub."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "hub_sites",
        sa.Column("node", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("former_key", sa.String(64)),
        sa.Column("former_until", sa.DateTime(timezone=True)),
        sa.Column("successions", sa.JSON, nullable=False),
        sa.Column("asked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided", sa.DateTime(timezone=True)),
        sa.Column("seen", sa.DateTime(timezone=True)),
        sa.Column("skew", sa.Float),
        sa.Column("version", sa.String(40), nullable=False),
    )
    op.create_table(
        "hub_invitations",
        sa.Column("node", sa.String(16), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("expires", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_by", sa.String(16)),
        sa.Column("closed", sa.Boolean, nullable=False),
    )
