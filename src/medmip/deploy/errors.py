"""What goes wrong with a backup, for the person who makes or needs one."""

from medmip.errors import MipError


class BackupError(MipError):
    """A backup that cannot be made, read, proved or restored."""

    title = "The backup failed"
