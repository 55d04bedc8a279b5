"""Everything that lets somebody in without a password, ended at once."""

from sqlalchemy import Engine, delete

from medmip.accounts.journal import note
from medmip.accounts.tables import sessions, tokens


def end_every_log_in(engine: Engine, actor: str) -> tuple[int, int]:
    """Ends every session and revokes every access token of everybody; how many of each."""
    with engine.begin() as connection:
        ended = connection.execute(delete(sessions)).rowcount
        revoked = connection.execute(delete(tokens)).rowcount
        note(connection, actor, "every log-in ended", "", f"{ended} sessions, {revoked} tokens")
    return ended, revoked
