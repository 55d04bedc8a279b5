"""What can go wrong with a data model."""

from typing import ClassVar

from medmip.errors import Conflict, MipError, NotFound


class CatalogueError(MipError):
    """A data model that breaks its format; fields names each problem by JSON path."""

    title: ClassVar[str] = "The data model is not valid"
    status: ClassVar[int] = 422


class UnknownModel(NotFound):
    """No data model has this key."""

    title: ClassVar[str] = "Unknown data model"


class UnknownVariable(NotFound):
    """The data model has no variable of this code."""

    title: ClassVar[str] = "Unknown variable"


class UnknownLevel(NotFound):
    """The variable has no level of this code."""

    title: ClassVar[str] = "Unknown level"


class ModelExists(Conflict):
    """Another data model already has this key."""

    title: ClassVar[str] = "The data model is already there"


class ModelInUse(Conflict):
    """The data model cannot change or go while datasets are published under it."""

    title: ClassVar[str] = "The data model is in use"
