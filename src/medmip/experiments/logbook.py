"""Structured logs in a file, one JSON object a line; never a patient's value."""

import logging
import logging.handlers
import os
from pathlib import Path

import structlog


def write_log_to(path: Path) -> None:
    """Sends our log lines to a file, readable by its owner alone, rotated at 10 MB, five kept."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    os.close(descriptor)
    handler = logging.handlers.RotatingFileHandler(path, maxBytes=10_000_000, backupCount=5)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("medmip")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
