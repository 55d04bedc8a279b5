"""What goes wrong with a backup or an installation, for the person who meets it."""

from medmip.errors import MipError


class BackupError(MipError):
    """A backup that cannot be made, read, proved or restored."""

    title = "The backup failed"


class DeployError(MipError):
    """An installation that cannot be configured, set up or judged."""

    title = "The deployment failed"
