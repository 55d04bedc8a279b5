"""People, sessions, access tokens, the allow-list, the journal of accounts."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "people",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("name", sa.String(100), nullable=False, unique=True),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(500), nullable=False),
        sa.Column("password", sa.String(300)),
        sa.Column("second_factor", sa.LargeBinary),
        sa.Column("second_factor_step", sa.Integer, nullable=False),
        sa.Column("recovery", sa.JSON, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("locked_until", moment),
        sa.Column("terms", sa.Integer, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("seen", moment),
    )
    op.create_index("people_by_issuer", "people", ["issuer", "subject"], unique=True)
    op.create_table(
        "sessions",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column(
            "person",
            sa.String(36),
            sa.ForeignKey("people.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("complete", sa.Boolean, nullable=False),
        sa.Column("provider_session", sa.String(300), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("agent", sa.String(200), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("seen", moment, nullable=False),
    )
    op.create_index("sessions_by_person", "sessions", ["person"])
    op.create_table(
        "access_tokens",
        sa.Column("hash", sa.String(64), primary_key=True),
        sa.Column("id", sa.String(36), nullable=False, unique=True),
        sa.Column(
            "person",
            sa.String(36),
            sa.ForeignKey("people.id", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("expires", moment, nullable=False),
        sa.Column("seen", moment),
    )
    op.create_index("access_tokens_by_person", "access_tokens", ["person"])
    op.create_table(
        "allow_list",
        sa.Column("entry", sa.String(320), primary_key=True),
        sa.Column("roles", sa.JSON, nullable=False),
        sa.Column("by", sa.String(100), nullable=False),
        sa.Column("created", moment, nullable=False),
    )
    op.create_table(
        "admission_requests",
        sa.Column("id", sa.String(36), primary_key=True),
        sa.Column("label", sa.String(200), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("issuer", sa.String(500), nullable=False),
        sa.Column("subject", sa.String(500), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("created", moment, nullable=False),
        sa.Column("decided_by", sa.String(100)),
    )
    op.create_index("admission_requests_by_state", "admission_requests", ["state", "created"])
    op.create_table(
        "account_events",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("at", moment, nullable=False),
        sa.Column("actor", sa.String(100), nullable=False),
        sa.Column("what", sa.String(40), nullable=False),
        sa.Column("about", sa.String(320), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
    )
    op.create_index("account_events_by_time", "account_events", ["at"])
