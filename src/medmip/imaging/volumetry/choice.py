"""The names of the settings, apart from what they mean, which needs libraries to say."""

from enum import StrEnum


class SettingName(StrEnum):
    """How much work a scan is worth."""

    FAST = "fast"
    FULL = "full"
