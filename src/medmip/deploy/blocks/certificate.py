"""Where the portal's certificate by ACME is on a server, and what it is ordered by."""

import tomlkit

from medmip.deploy.blocks.declaration import CONFIGURATION

INTERIM = f"{CONFIGURATION}/portal-interim.pem"
"""By our own authority: what the portal begins with, until the other one has signed."""
REQUEST = f"{CONFIGURATION}/portal.csr"
FROM = f"{CONFIGURATION}/portal.from"
"""The directory of the authority that the certificate came from."""
SETTINGS = f"{CONFIGURATION}/certificate.toml"
AUTHORITIES = f"{CONFIGURATION}/certificate-authorities.pem"
OF_SETUP = (INTERIM, REQUEST, FROM, SETTINGS, AUTHORITIES)
"""What goes with the block, beside the files that every block has."""


def settings(name: str, directory: str, contact: str, account: str, *, known_by: str) -> str:
    """The text of SETTINGS; known_by is the file of the authority's certificates, or empty."""
    told = {
        "name": name,
        "directory": directory,
        "contact": contact,
        "account": account,
        "authorities": known_by,
    }
    return "# Written by `mip deploy setup`.\n" + tomlkit.dumps(told)
