"""Secrets as files of age: made once, read with the installation's identity, never written over."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pyrage

from medmip.catalogue.atomic_file import write_atomically
from medmip.deploy.encryption import make_identity, read_identities, recipient
from medmip.deploy.errors import DeployError

IDENTITY = "identity.txt"
_READERS = "readers.json"


class Vault:
    """A folder of secrets, each in `NAME.age`.

    They are encrypted to the identity beside it, which `mip deploy setup` reads them with, and to
    public keys of people; `age -d -i KEY NAME.age` opens one without MIP.
    """

    def __init__(self, folder: Path, identity: Path) -> None:
        self._folder = folder
        self._identity = identity

    def open_to(self, recipients: Sequence[str]) -> bool:
        """Makes identity and folder where there are none, and lets these people read all secrets.

        Returns whether secrets were encrypted anew because people came or went. Who went may have
        kept what they could read: that needs another secret. Raises BackupError, OSError.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._identity.exists():
            if list(self._folder.glob("*.age")):
                raise DeployError(
                    "There are secrets, but not the identity that reads them",
                    where=str(self._identity),
                    remedy="Bring the file back, or decrypt the secrets with a key of a recipient.",
                )
            make_identity(self._identity)
        own = [str(one.to_public()) for one in self._identities()]
        wanted = sorted({*own, *recipients})
        if wanted == self._readers():
            return False
        changed = [(path, self._opened(path)) for path in sorted(self._folder.glob("*.age"))]
        for path, secret in changed:
            write_atomically(path, _sealed(secret, wanted))
        # Last, so that a kill before leads to all of it again.
        write_atomically(self._folder / _READERS, json.dumps(wanted, indent=1).encode() + b"\n")
        return bool(changed)

    def once(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The secret of this name, made where there is none."""
        path = self._path(name)
        if not path.exists():
            write_atomically(path, _sealed(make(), self._readers()))
        return self.read(name)

    def renew(self, name: str, secret: bytes) -> None:
        """Puts another secret into the place of one."""
        write_atomically(self._path(name), _sealed(secret, self._readers()))

    def renew_identity(self, recipients: Sequence[str]) -> None:
        """Puts a new identity into the place of the old one, which then reads no secret.

        Until all secrets are for the new one both lie there, so that a kill loses none.
        """
        made = pyrage.x25519.Identity.generate()
        mine = f"# public key: {made.to_public()}\n{made}\n".encode()
        write_atomically(self._identity, self._identity.read_bytes() + mine)
        wanted = sorted({str(made.to_public()), *recipients})
        for path in sorted(self._folder.glob("*.age")):
            write_atomically(path, _sealed(self._opened(path), wanted))
        write_atomically(self._folder / _READERS, json.dumps(wanted, indent=1).encode() + b"\n")
        write_atomically(self._identity, mine)

    def keep(self, name: str, secret: bytes) -> None:
        """Takes a secret that was given by somebody; one that is the same stays as it is."""
        path = self._path(name)
        if not path.exists() or self._opened(path) != secret:
            write_atomically(path, _sealed(secret, self._readers()))

    def read(self, name: str) -> bytes:
        """A secret; raises DeployError where it is missing or for others."""
        if not self._path(name).exists():
            raise DeployError(
                f"The secret {name} is missing", remedy="Run `mip deploy configure` again."
            )
        return self._opened(self._path(name))

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.age"

    def _opened(self, path: Path) -> bytes:
        try:
            return bytes(pyrage.decrypt(path.read_bytes(), self._identities()))
        except pyrage.DecryptError:
            raise DeployError(
                "The secret is damaged, or not encrypted to this installation's identity",
                where=path.name,
                remedy=f"Bring back {IDENTITY}, or the file from the history of git.",
            ) from None

    def _identities(self) -> list[pyrage.x25519.Identity]:
        found = read_identities(self._identity)
        return [one for one in found if isinstance(one, pyrage.x25519.Identity)]

    def _readers(self) -> list[str]:
        try:
            return [str(one) for one in json.loads((self._folder / _READERS).read_text())]
        except FileNotFoundError:
            return []


def _sealed(secret: bytes, recipients: Sequence[str]) -> bytes:
    return bytes(pyrage.encrypt(secret, [recipient(one) for one in recipients]))
