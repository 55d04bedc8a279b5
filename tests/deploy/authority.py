"""An authority that signs by ACME: Let's Encrypt's own test server, pebble, as Debian has it."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from medmip.deploy import portal_certificate

KID, HMAC_KEY = "kid-1", "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W"
"""An account that it was given beforehand."""


@dataclass(frozen=True)
class Signer:
    """A running authority: where its directory is, and the file of what it is known by."""

    directory: str
    known_by: Path


@contextmanager
def signer(
    folder: Path,
    address: str,
    ports: tuple[int, int, int],
    within: Sequence[str] = (),
    *,
    bound: bool = False,
    believes: bool = False,
) -> Iterator[Signer]:
    """A running authority at an address.

    ports are its own, that of its management, and the one by which it looks whether a name is
    somebody's; within is what it is started by, bound says whether it signs for nobody but
    accounts that it was given beforehand, believes whether it does not look again where it found a
    name to be an account's before.
    """
    own, management, looks_at = ports
    now = datetime.now(UTC)
    folder.mkdir()
    root_key, key = portal_certificate.new_key(), portal_certificate.new_key()
    root = portal_certificate.authority(root_key, address, now)
    known_by, chain, private = (folder / name for name in ("known.pem", "own.pem", "own.key"))
    known_by.write_bytes(root)
    chain.write_bytes(portal_certificate.signed(key, root_key, root, address, now))
    private.write_bytes(key)
    configuration = folder / "pebble.json"
    told: dict[str, object] = {
        "listenAddress": f"{address}:{own}",
        "managementListenAddress": f"{address}:{management}",
        "certificate": str(chain),
        "privateKey": str(private),
        "httpPort": looks_at,
        "tlsPort": 443,
        "ocspResponderURL": "",
        "externalAccountBindingRequired": bound,
    }
    if bound:
        told["externalAccountMACKeys"] = {KID: HMAC_KEY}
    configuration.write_text(json.dumps({"pebble": told}))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*within, "pebble", "-config", str(configuration)],
            # It refuses nonces, as an authority may, and more of them than any would.
            env=os.environ
            | {
                "PEBBLE_VA_NOSLEEP": "1",
                "PEBBLE_WFE_NONCEREJECT": "30",
                "PEBBLE_AUTHZREUSE": "100" if believes else "0",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        # What it signs by is made at its start.
        theirs = _root(within, f"https://{address}:{management}/roots/0", known_by, process)
        known_by.write_bytes(root + theirs)
        yield Signer(f"https://{address}:{own}/dir", known_by)
    finally:
        process.terminate()
        process.wait(20)


_GET = (
    "import ssl, sys, urllib.request as u; sys.stdout.buffer.write(u.urlopen(sys.argv[1], "
    "context=ssl.create_default_context(cafile=sys.argv[2]), timeout=5).read())"
)


def _root(
    within: Sequence[str], url: str, known_by: Path, process: subprocess.Popen[bytes]
) -> bytes:
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        got = subprocess.run(
            [*within, "python3", "-c", _GET, url, str(known_by)], capture_output=True, check=False
        )
        if got.returncode == 0:
            return got.stdout
        time.sleep(0.2)
    raise AssertionError(f"pebble does not answer at {url}: {got.stderr[-500:]!r}")
