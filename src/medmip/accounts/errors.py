"""What keeps a person out."""

from medmip.errors import MipError


class NotLoggedIn(MipError):
    """Nobody is known to be calling; it tells not what was wrong, which would help to guess."""

    title = "Not logged in"
    status = 401


class NotAllowed(MipError):
    """The caller is known, and may not do this."""

    title = "Not allowed"
    status = 403


class NotListed(NotAllowed):
    """A provider vouches for somebody whom the allow-list does not have."""


class TooMany(MipError):
    """Too many attempts or requests in too short a time; wait is in seconds."""

    title = "Too many attempts"
    status = 429

    def __init__(self, what: str, *, wait: float, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.wait = wait
