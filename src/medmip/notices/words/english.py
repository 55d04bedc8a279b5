"""Notices in English."""

from medmip.notices.event import Kind
from medmip.notices.words import Words

ENGLISH = Words(
    sentences={
        Kind.EXPERIMENT_FINISHED: ("An experiment finished.", "{count} experiments finished."),
        Kind.EXPERIMENT_FAILED: ("An experiment failed.", "{count} experiments failed."),
        Kind.EXPERIMENT_REFUSED: (
            "The privacy guard refused an experiment.",
            "The privacy guard refused {count} experiments.",
        ),
        Kind.SCANS_FINISHED: ("A scan was brought in.", "{count} scans were brought in."),
        Kind.SCANS_FAILED: (
            "A scan could not be brought in or measured.",
            "{count} scans could not be brought in or measured.",
        ),
        Kind.SCANS_WAITING: ("A scan waits for a review.", "{count} scans wait for a review."),
        Kind.IMPORT_PUBLISHED: (
            "A dataset's version was published from the inbox.",
            "{count} versions of datasets were published from the inbox.",
        ),
        Kind.IMPORT_REFUSED: (
            "A file in the inbox could not be published.",
            "{count} files in the inbox could not be published.",
        ),
        Kind.BACKUP_FAILED: (
            "A backup failed. See `mip deploy logs mip-backup`.",
            "{count} backups failed. See `mip deploy logs mip-backup`.",
        ),
        Kind.BACKUP_OLD: (
            "The newest backup is older than 26 hours. Start one: `systemctl start mip-backup`.",
            "The newest backup is older than 26 hours. Start one: `systemctl start mip-backup`.",
        ),
        Kind.DRILL_FAILED: (
            "A restore drill failed: the newest backup may be of no use.",
            "{count} restore drills failed: the newest backup may be of no use.",
        ),
        Kind.SITE_JOINED: (
            "A hospital joined the federation.",
            "{count} hospitals joined the federation.",
        ),
        Kind.SITE_LEFT: (
            "A hospital is no longer in the federation.",
            "{count} hospitals are no longer in the federation.",
        ),
        Kind.SITE_LOST: (
            "A hospital of the federation gives no sign of life.",
            "{count} hospitals of the federation give no sign of life.",
        ),
        Kind.SITE_BACK: (
            "A hospital of the federation is heard of again.",
            "{count} hospitals of the federation are heard of again.",
        ),
        Kind.DISK_LOW: (
            "Less than a tenth of a disk is free: imports and backups may find no room.",
            "Less than a tenth of {count} disks is free: imports and backups may find no room.",
        ),
        Kind.CERTIFICATE_ENDING: (
            "A certificate runs out within three weeks, or has run out.",
            "{count} certificates run out within three weeks, or have run out.",
        ),
        Kind.SERVICE_FAILED: (
            "A service failed and was not started again. See `mip deploy status`.",
            "Services failed {count} times and were not started again. See `mip deploy status`.",
        ),
        Kind.DEPLOYED: ("A deployment finished.", "{count} deployments finished."),
        Kind.DEPLOYMENT_FAILED: (
            "A deployment failed. Run it again: it goes on where it stopped.",
            "{count} deployments failed. Run it again: it goes on where it stopped.",
        ),
        Kind.TEST: ("This is a test: notices arrive.", "This is a test: notices arrive."),
    },
    summary="{count} events",
    more="and {count} more",
    foot="Sent because mip.toml says so. A notice holds no data of patients and nothing that "
    "a person typed; the portal tells more.",
)
