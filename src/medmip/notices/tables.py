"""The tables of notices in the state database."""

from sqlalchemy import Column, DateTime, Index, Integer, String, Table

from medmip.store.state import metadata

notices = Table(
    "notices",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("event", String(36), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("times", Integer, nullable=False),
    Column("identity", String(40), nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("message", String(36)),
    Column("attempts", Integer, nullable=False),
    Column("due", DateTime(timezone=True)),
    Column("problem", String(200), nullable=False),
    Column("ended", DateTime(timezone=True)),
    Index("notices_by_state", "state", "channel", "number"),
)

conditions = Table(
    "notice_conditions",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),
)
