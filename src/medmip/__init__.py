"""MIP: privacy-preserving analysis of clinical data inside the hospital that holds it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from medmip.client.mip import Mip


def connect(url: str, *, token: str | None = None, ca: Path | None = None) -> "Mip":
    """A running MIP, for scripts and notebooks.

    url is the portal's address; token an access token from one's profile there, where people log
    in; ca a file with the certificate of the hospital's own authority. Raises ClientError where a
    token would go out unprotected.
    """
    # Whoever imports a part of the package is spared the client with all that it stands on.
    from medmip.client.mip import Mip  # noqa: PLC0415

    return Mip(url, token, ca)
