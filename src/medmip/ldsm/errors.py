"""What can go wrong with the PostgreSQL that published versions are copied into."""

from typing import ClassVar

from medmip.errors import MipError


class LdsmError(MipError):
    """The database cannot be used, or does not do what readers must be held by."""

    title: ClassVar[str] = "The database of published data cannot be used"
    status: ClassVar[int] = 503
