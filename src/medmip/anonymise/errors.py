"""What can go wrong while a dataset is made anonymous; never with a patient's value."""

from typing import ClassVar

from medmip.errors import MipError


class AnonymisationError(MipError):
    """The settings do not fit the data, or the data cannot be made as anonymous as they ask."""

    title: ClassVar[str] = "The dataset cannot be made anonymous"
    status: ClassVar[int] = 422
