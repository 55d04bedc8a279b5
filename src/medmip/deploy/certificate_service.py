"""What the unit `mip-certificate` does: `python -m medmip.deploy.certificate_service STEP`.

The steps are begin, due, order, take. What speaks to the authority (order) runs under an account of
its own and sees no private key of the portal; root alone begins and takes, and takes nothing that
does not fit.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from medmip.catalogue.atomic_file import write_atomically
from medmip.deploy import portal_certificate
from medmip.deploy.blocks.certificate import REQUEST
from medmip.deploy.blocks.proxy import CHALLENGES
from medmip.deploy.blocks.registry import ACCOUNT_KEY, CERTIFICATE_STATE
from medmip.deploy.certificate_order import Authority, ordered
from medmip.deploy.certificate_renewal import Renewal
from medmip.deploy.errors import DeployError
from medmip.errors import MipError


def order(renewal: Renewal, now: datetime, account_key: str, port: int = CHALLENGES) -> str:
    """Orders a certificate where one is due; returns why, or that none is.

    account_key is what the authority gave beforehand, or empty. Raises DeployError.
    """
    why = renewal.why_due(now)
    if not why:
        return "no certificate is due"
    told, place = renewal.settings, renewal.at(CERTIFICATE_STATE)
    own_key = place / "account.pem"
    if not own_key.exists():
        write_atomically(own_key, portal_certificate.new_key())
    authority = Authority(
        told["directory"],
        told["contact"],
        renewal.at(told["authorities"]) if told["authorities"] else None,
        told["account"],
        account_key,
    )
    request = renewal.at(REQUEST).read_bytes()
    chain = ordered(authority, own_key.read_bytes(), request, port)
    write_atomically(place / "portal.pem", chain)
    write_atomically(place / "portal.from", told["directory"].encode())
    return f"a certificate is signed, since {why}"


def _reload() -> None:
    done = subprocess.run(
        ["systemctl", "reload", "nginx"],  # noqa: S607
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DeployError(
            f"nginx does not take the certificate: {done.stderr.strip()[:300]}",
            remedy="`nginx -t` says why.",
        )


def _given_key() -> str:
    """What the authority gave beforehand, as systemd hands it over."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
    path = Path(folder) / ACCOUNT_KEY
    return path.read_text(encoding="ascii").strip() if folder and path.exists() else ""


def main(what: str) -> int:
    """Does one step on this server; returns the exit code."""
    renewal, now = Renewal(), datetime.now(UTC)
    steps: dict[str, Callable[[], str]] = {
        "begin": lambda: renewal.begin(now),
        "due": lambda: renewal.why_due(now),
        "order": lambda: order(renewal, now, _given_key()),
        "take": lambda: renewal.take(now, _reload),
    }
    try:
        said = steps[what]().strip()
    except MipError as error:
        sys.stderr.write(f"{error.what}\n{error.remedy}\n")
        return 1
    sys.stdout.write(f"{said}\n" if said else "")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
