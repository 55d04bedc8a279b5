"""The sealed tables of pseudonyms and patients' codes, for the key's holder alone."""

import hashlib
import os
import secrets
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

import pyarrow as pa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from medmip.anonymise.keyed import derived
from medmip.catalogue.atomic_file import sync_folder, write_atomically
from medmip.catalogue.home import Home
from medmip.errors import Conflict, NotFound

KEY = "pseudonym"
"""The name of the site's key of pseudonyms, in the home's folder of keys."""
_MAGIC = b"MIP patients 1\n"
_NONCE = 12
_SUFFIX = ".sealed"


def name_of(pseudonyms: str, key: bytes) -> str:
    """What the table of this set of patients is called; pseudonyms is a digest of the set."""
    return derived(key, "table", pseudonyms).hex()[:32]


def seal(
    home: Home, key: bytes, model: str, dataset: str, name: str, parts: Iterable[pa.Table]
) -> None:
    """Write a table (pseudonym, code) in parts, encrypted (AES-256-GCM), unless it is there.

    Raises OSError.
    """
    folder = home.patients_table(model, dataset)
    target = folder / f"{name}{_SUFFIX}"
    if target.exists():
        return
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    partial = folder / f"{secrets.token_hex(8)}.partial"
    cipher = AESGCM(_cipher_key(key))
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(_MAGIC)
            count = 0
            for count, part in enumerate(parts, 1):
                file.write(_sealed(cipher, _packed(part), f"{name} {count}"))
            file.write(_sealed(cipher, b"", f"{name} end {count}"))
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, target)
        sync_folder(folder)
    finally:
        partial.unlink(missing_ok=True)


def carry(
    home: Home, model: str, target: str, dataset: str, name: str, code: str | None = None
) -> None:
    """Keep a table for the same patients under another model or dataset too; raises OSError.

    code is the other dataset's, by default the same.
    """
    file = home.patients_table(model, dataset) / f"{name}{_SUFFIX}"
    folder = home.patients_table(target, code or dataset)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(folder / file.name, file.read_bytes())


def codes_of(
    home: Home, key: bytes, model: str, dataset: str, pseudonyms: Collection[str]
) -> dict[str, str]:
    """The patients' own codes behind pseudonyms, as far as the sealed tables know them.

    Raises NotFound where there is no table, Conflict where one was changed or has another key.
    """
    files = sorted(home.patients_table(model, dataset).glob(f"*{_SUFFIX}"))
    if not files:
        raise NotFound(
            f"No table tells the patients of {model} {dataset}.",
            remedy="It is written at publication where the policy says `reidentification = true`.",
        )
    wanted, found = set(pseudonyms), dict[str, str]()
    for file in files:
        for part in _opened(file, key):
            for pseudonym, code in zip(
                part["pseudonym"].to_pylist(), part["code"].to_pylist(), strict=True
            ):
                if pseudonym in wanted:
                    found[pseudonym] = code
    return found


def forget(home: Home, model: str, dataset: str, keep: Collection[str]) -> int:
    """Delete the tables that no kept version names, and what a kill left; how many tables."""
    folder = home.patients_table(model, dataset)
    gone = 0
    for file in folder.glob("*") if folder.is_dir() else ():
        if file.suffix != _SUFFIX or file.stem not in keep:
            gone += file.suffix == _SUFFIX
            file.unlink(missing_ok=True)
    return gone


def _cipher_key(key: bytes) -> bytes:
    return derived(key, "patients' table")


def _sealed(cipher: AESGCM, content: bytes, place: str) -> bytes:
    nonce = secrets.token_bytes(_NONCE)
    sealed = nonce + cipher.encrypt(nonce, content, place.encode())
    return len(sealed).to_bytes(8, "big") + sealed


def _opened(file: Path, key: bytes) -> Iterator[pa.Table]:
    cipher = AESGCM(_cipher_key(key))
    count = 0
    try:
        with file.open("rb") as source:
            if source.read(len(_MAGIC)) != _MAGIC:
                raise ValueError
            while length := source.read(8):
                sealed = source.read(int.from_bytes(length, "big"))
                nonce, content = sealed[:_NONCE], sealed[_NONCE:]
                if not source.peek(1):
                    cipher.decrypt(nonce, content, f"{file.stem} end {count}".encode())
                    return
                count += 1
                plain = cipher.decrypt(nonce, content, f"{file.stem} {count}".encode())
                with pa.ipc.open_stream(plain) as reader:
                    yield reader.read_all()
            raise ValueError
    except (InvalidTag, ValueError, pa.ArrowException):
        raise Conflict(
            "The table of patients was changed, or another key sealed it.",
            where=str(file),
            remedy=f"Put back the key {KEY}.key that was in force when it was written.",
        ) from None


def _packed(part: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, part.schema) as writer:
        writer.write_table(part)
    return bytes(sink.getvalue().to_pybytes())


def digest(count: int, mixed: int) -> str:
    """A digest of a set of pseudonyms, by their number and the XOR of their hashes."""
    return hashlib.sha256(f"{count} {mixed}".encode()).hexdigest()
