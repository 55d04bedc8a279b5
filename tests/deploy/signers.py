"""A person who signs bundles: a fresh key of gpg in a folder of its own."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def signer(folder: Path) -> Iterator[str]:
    """The name of a key that gpg finds until the block is left."""
    folder.mkdir(mode=0o700)
    name = f"{folder.name}@mip.example"
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GNUPGHOME", str(folder))
        subprocess.run(
            ["gpg", "--batch", "--quiet", "--passphrase", "", "--quick-generate-key", name,
             "ed25519", "sign", "never"],
            check=True, capture_output=True,
        )  # fmt: skip
        try:
            yield name
        finally:
            subprocess.run(["gpgconf", "--kill", "all"], check=True)
