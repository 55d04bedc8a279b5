"""The tables of the queue in the state database."""

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, String, Table, Text

from medmip.store.state import metadata

scan_jobs = Table(
    "scan_jobs",
    metadata,
    Column("scan", String(64), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("atlas", String(100)),
    Column("setting", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("step", String(40), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("anew", Boolean, nullable=False),
    Column("trouble", Text, nullable=False),
    Column("queued", DateTime(timezone=True), nullable=False),
    Column("started", DateTime(timezone=True)),
    Column("finished", DateTime(timezone=True)),
    Index("scan_jobs_by_state", "state", "priority", "number"),
)

scan_queue = Table(
    "scan_queue",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("since", DateTime(timezone=True), nullable=False),
    Column("seen", DateTime(timezone=True), nullable=False),
    Column("held", Text, nullable=False),
)
