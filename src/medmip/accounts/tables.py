"""The tables of people and their log-ins in the state database."""

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from medmip.store.state import metadata

people = Table(
    "people",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("name", String(100), nullable=False, unique=True),
    Column("label", String(200), nullable=False),
    Column("email", String(320), nullable=False),
    Column("roles", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("issuer", String(500), nullable=False),
    Column("subject", String(500), nullable=False),
    Column("password", String(300)),
    Column("second_factor", LargeBinary),
    Column("second_factor_step", Integer, nullable=False),
    Column("recovery", JSON, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until", DateTime(timezone=True)),
    Column("terms", Integer, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("seen", DateTime(timezone=True)),
    Index("people_by_issuer", "issuer", "subject", unique=True),
)

sessions = Table(
    "sessions",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("person", String(36), ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("complete", Boolean, nullable=False),
    Column("provider_session", String(300), nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("seen", DateTime(timezone=True), nullable=False),
    Index("sessions_by_person", "person"),
)

tokens = Table(
    "access_tokens",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("person", String(36), ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("name", String(100), nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("expires", DateTime(timezone=True), nullable=False),
    Column("seen", DateTime(timezone=True)),
    Index("access_tokens_by_person", "person"),
)

allow_list = Table(
    "allow_list",
    metadata,
    Column("entry", String(320), primary_key=True),
    Column("roles", JSON, nullable=False),
    Column("by", String(100), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
)

admissions = Table(
    "admission_requests",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("label", String(200), nullable=False),
    Column("email", String(320), nullable=False),
    Column("reason", Text, nullable=False),
    Column("issuer", String(500), nullable=False),
    Column("subject", String(500), nullable=False),
    Column("state", String(16), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
    Column("decided_by", String(100)),
    Index("admission_requests_by_state", "state", "created"),
)

events = Table(
    "account_events",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("actor", String(100), nullable=False),
    Column("what", String(40), nullable=False),
    Column("about", String(320), nullable=False),
    Column("detail", Text, nullable=False),
    Column("address", String(64), nullable=False),
    Index("account_events_by_time", "at"),
)
