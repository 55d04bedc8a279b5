"""Runs the migrations on the connection that the state module opened."""

from alembic import context

from medmip.store.state import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
