"""What a person asks of a publication of volumes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from medmip.imaging.volumetry.choice import SettingName

DAYS = 180
"""The usual window, in days to either side of a visit."""
LONGEST_WINDOW = 36_500
_Name = Annotated[str, Field(min_length=1, max_length=200)]
_Dataset = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
"""As `store.snapshots` has it."""


class Wish(BaseModel):
    """Whose rows get which volumes.

    model is a key; target is the code of the dataset that becomes the new version, by default the
    dataset itself. window is in days between a scan and its visit; date is the column of the
    visits' dates, by default the only one that the dataset has. atlas and setting choose among
    scans that were measured otherwise. replace lets volumes take the place of columns that the
    rows have already; small_change and unproven let pass what is refused else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: _Name
    dataset: _Dataset
    target: _Dataset | None = None
    window: int = Field(DAYS, ge=0, le=LONGEST_WINDOW)
    date: _Name | None = None
    atlas: _Name | None = None
    setting: SettingName | None = None
    replace: bool = False
    small_change: bool = False
    unproven: bool = False

    @property
    def code(self) -> str:
        """The dataset that is published."""
        return self.target or self.dataset
