"""Encryption with age, streamed: to public keys, and back by the identity that one belongs to.

The format is that of the program `age` (https://age-encryption.org/v1).
"""

import errno
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

import pyrage

from medmip.catalogue.atomic_file import sync_folder
from medmip.deploy.errors import BackupError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Recipient: TypeAlias = pyrage.x25519.Recipient | pyrage.ssh.Recipient
Identity: TypeAlias = pyrage.x25519.Identity | pyrage.ssh.Identity
_MARK = b"age-encryption.org/v1\n"
_IDENTITY_BEGINS = "AGE-SECRET-KEY-"


def recipient(text: str) -> Recipient:
    """The public key that text is: `age1…`, or a line of SSH such as `ssh-ed25519 …`.

    Raises BackupError, which does not repeat a secret key that was given by mistake.
    """
    text = text.strip()
    if text.upper().startswith(_IDENTITY_BEGINS):
        raise BackupError(
            "That is a secret identity, not a public key",
            remedy="Give the line that begins with age1, and make a new identity: "
            "this one was on a command line or in a configuration.",
        )
    try:
        if text.startswith("ssh-"):
            return pyrage.ssh.Recipient.from_str(text)
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError:
        raise BackupError(
            f"“{text[:80]}” is not a public key of age",
            remedy="`mip deploy keys --out FILE` makes an identity and prints its public key, "
            "which begins with age1.",
        ) from None


def make_identity(path: Path) -> str:
    """Write a new identity into a new file, readable by its owner alone; its public key.

    Raises BackupError where the file is there already or cannot be written.
    """
    identity = pyrage.x25519.Identity.generate()
    public = str(identity.to_public())
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(f"# public key: {public}\n{identity}\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(path.parent)
    except FileExistsError:
        raise BackupError(
            "There is a file already, and an identity is never written over",
            where=str(path),
            remedy="Choose another name: backups made for a lost identity cannot be read.",
        ) from None
    except OSError as error:
        raise unwritable(path, error) from None
    return public


def read_identities(path: Path) -> list[Identity]:
    """The identities in a file of age, one a line, or in an SSH key's; raises BackupError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BackupError(
            f"The identity cannot be read: {error.strerror}",
            where=str(path),
            remedy="Name the file that `mip deploy keys` wrote.",
        ) from None
    try:
        if content.startswith(b"-----BEGIN"):
            return [pyrage.ssh.Identity.from_buffer(content)]
        lines = [line.strip() for line in content.decode("ascii").splitlines()]
        found = [pyrage.x25519.Identity.from_str(one) for one in lines if one and one[0] != "#"]
    except (pyrage.IdentityError, UnicodeDecodeError):
        found = []
    if not found:
        raise BackupError(
            "The file holds no identity of age",
            where=str(path),
            remedy="Name the file that `mip deploy keys` wrote; "
            "it has a line that begins with AGE-SECRET-KEY-1.",
        )
    return [*found]


def unwritable(path: Path, error: OSError) -> BackupError:
    """Why path could not be written, as a sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return BackupError(
            "There is not enough space on the disk",
            where=str(path),
            remedy="Free space, or choose another folder; what was there before is as it was.",
        )
    return BackupError(
        f"It cannot be written: {error.strerror or error}",
        where=str(path),
        remedy="Choose a folder that exists and that you may write to.",
    )


@contextmanager
def encrypting(target: BufferedIOBase, recipients: Sequence[Recipient]) -> Iterator[BinaryIO]:
    """A stream; what is written to it lands in target, encrypted to every recipient.

    Raises whatever target raises.
    """
    watched = _Watched(target)
    read, write = os.pipe()

    def work() -> None:
        with open(read, "rb") as source:
            pyrage.encrypt_io(source, watched, recipients)

    thread = _Work(work)
    try:
        with open(write, "wb") as stream:
            yield stream
    except BrokenPipeError:
        thread.join()
        raise (watched.error or thread.error or BackupError("Encryption ended early")) from None
    except BaseException:
        thread.join()
        raise
    thread.join()
    if watched.error:
        raise watched.error
    if thread.error:
        raise thread.error


@contextmanager
def decrypting(source: BufferedIOBase, identities: Sequence[Identity]) -> Iterator[BinaryIO]:
    """A stream of what source holds encrypted; it is known to be whole when the block is left.

    Raises BackupError where source is no file of age, is encrypted to others, was changed or cut
    off. What was read before that belongs to nobody and must be thrown away.
    """
    if source.read(len(_MARK)) != _MARK:
        raise BackupError(
            "The file is not encrypted with age, or its beginning was changed",
            remedy="Name a file that `mip deploy backup` wrote.",
        )
    source.seek(0)
    read, write = os.pipe()

    def work() -> None:
        with open(write, "wb") as target:
            pyrage.decrypt_io(source, target, identities)

    thread = _Work(work)
    failure: Exception | None = None
    with open(read, "rb") as stream:
        try:
            yield stream
            while stream.read(1 << 20):
                pass
        except Exception as error:  # noqa: BLE001  the cipher's own reason counts more
            failure = error
    thread.join()
    reason = thread.error
    if reason is not None and not _is_broken_pipe(reason):
        raise _unreadable(reason) from None
    if failure is not None:
        raise failure


def _is_broken_pipe(error: Exception) -> bool:
    return isinstance(error, BrokenPipeError) or "BrokenPipe" in str(error)


def _unreadable(error: Exception) -> BackupError:
    if "No matching keys" in str(error):
        return BackupError(
            "The backup is not encrypted to this identity, or its beginning was changed",
            remedy="Name the identity whose public key was a recipient when it was made.",
        )
    return BackupError(
        "The file is damaged: it was changed or cut off",
        remedy="Fetch it again from where it was copied to, or take another backup.",
    )


class _Watched(BufferedIOBase):
    """A file that remembers why it could not be written; the cipher tells it as text alone."""

    def __init__(self, target: BufferedIOBase) -> None:
        self._target = target
        self.error: OSError | None = None

    def write(self, content: "ReadableBuffer") -> int:
        try:
            return self._target.write(content)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        try:
            self._target.flush()
        except OSError as error:
            self.error = error
            raise

    def close(self) -> None:
        """The target is closed by whom it belongs to."""


class _Work(threading.Thread):
    """Work beside, and the error it ended by."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            with suppress(BrokenPipeError):
                self._work()
        except Exception as error:  # noqa: BLE001  told to who waits for it
            self.error = error
