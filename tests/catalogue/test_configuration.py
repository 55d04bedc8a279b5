"""The home's `mip.toml`: what it says wrong is named by its place and never read back."""

import pytest
from pydantic import BaseModel, ConfigDict

from medmip.catalogue.configuration import SettingsError, section
from medmip.catalogue.home import Home


class Limits(BaseModel):
    """A section with one number."""

    model_config = ConfigDict(extra="forbid")

    keep: int = 3


def test_a_section_is_read_and_silence_is_none(home: Home) -> None:
    assert section(home, "backup", Limits) is None
    home.configuration.write_text("[login]\n")
    assert section(home, "backup", Limits) is None
    home.configuration.write_text("[backup]\nkeep = 5\n")
    assert section(home, "backup", Limits) == Limits(keep=5)


@pytest.mark.parametrize(
    "content, told",
    [
        (b'[backup]\nkeep = "secret"\n', "backup.keep: Input should be a valid integer"),
        (b'[backup]\nkept = "secret"\n', "backup.kept: Extra inputs are not permitted"),
        (b'backup = "secret"\n', "backup: Input should be a valid dictionary"),
        (b'[bakcup]\nkeep = "secret"\n', "There is no section bakcup"),
        (b"[backup\nkeep = secret\n", "It is not TOML"),
        (b"\xff secret", "It cannot be read: UnicodeDecodeError"),
    ],
)
def test_what_cannot_be_used_is_named_and_not_quoted(home: Home, content: bytes, told: str) -> None:
    home.configuration.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        section(home, "backup", Limits)
    assert told in str(refused.value)
    assert "mip.toml" in str(refused.value)
    assert "secret" not in str(refused.value)
