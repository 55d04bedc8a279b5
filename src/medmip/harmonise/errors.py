"""What can go wrong with a mapping; never with a patient's value."""

from typing import ClassVar

from medmip.errors import MipError


class MappingError(MipError):
    """A mapping that breaks its format, or that does not fit the files or the data model."""

    title: ClassVar[str] = "The mapping cannot be used"
    status: ClassVar[int] = 422
