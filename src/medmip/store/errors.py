"""What can go wrong with published datasets."""

from typing import ClassVar

from medmip.errors import Conflict, MipError, NotFound


class StoreError(MipError):
    """Published data, or what is to be published, that breaks the store's rules."""

    title: ClassVar[str] = "The data store refused"
    status: ClassVar[int] = 500


class UnknownDataset(NotFound):
    """No dataset of this name is published under the data model."""

    title: ClassVar[str] = "Unknown dataset"


class StoreBusy(Conflict):
    """Another process is publishing."""

    title: ClassVar[str] = "Another import is publishing"
