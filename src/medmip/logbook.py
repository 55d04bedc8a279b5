"""Structured logs, a JSON object a line, silent until a file is named; no patient's value."""

import logging
import logging.handlers
import os
from pathlib import Path

import structlog

logging.getLogger("medmip").addHandler(logging.NullHandler())


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module, whose lines go wherever `write_log_to` sends them."""
    found: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return found


def write_log_to(path: Path) -> None:
    """Sends our log lines to a file, readable by its owner alone, rotated at 10 MB, five kept."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.close(descriptor)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=10_000_000, backupCount=5)
    handler.setFormatter(logging.Formatter("%(message)s"))
    medmip = logging.getLogger("medmip")
    for former in medmip.handlers[:]:
        medmip.removeHandler(former)
        former.close()
    medmip.addHandler(handler)
    medmip.propagate = False
    medmip.setLevel(logging.INFO)
