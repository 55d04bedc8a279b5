"""Reports of acceptance tests, signed so that a change of one byte shows."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from medmip.deploy.acceptance import Report
from medmip.deploy.errors import DeployError
from medmip.federation.identity import Identity, PublicIdentity

_PURPOSE = b"MIP acceptance test\n"
"""Stands before what is signed, so that no signature is good for anything else."""
_MARK = re.compile(
    rb"(?P<page>.*)<!-- signature of MIP: (?P<key>[0-9a-f]{64}) (?P<value>[0-9a-f]{128}) -->\n",
    re.DOTALL,
)
_TOLD = re.compile(rb'<script type="application/json" id="report">(.*?)</script>', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Proved:
    """What a report whose signature was proved says."""

    name: str
    made: datetime
    version: str
    points: int
    failed: tuple[str, ...]


def signed_json(report: Report, signer: Identity) -> bytes:
    """The report for machines, with its signature as the last field."""
    return _sealed(report.told(), signer.public.hex, _signed(_text(report.told()), signer))


def signed_html(report: Report, signer: Identity) -> bytes:
    """The page, with its signature as a comment at the end."""
    page = report.as_html().encode()
    value = _signed(page, signer)
    return page + f"<!-- signature of MIP: {signer.public.hex} {value} -->\n".encode()


def prove(content: bytes, key: PublicIdentity) -> Proved:
    """What a report says that was signed by the owner of this key and not changed since.

    content is of `signed_json` or `signed_html`. Raises DeployError where it is neither, was
    changed, or is signed by somebody else.
    """
    told = _proved_page(content, key) if content.startswith(b"<") else _proved_json(content, key)
    try:
        return Proved(
            name=str(told["name"]),
            made=datetime.fromisoformat(told["made"]),
            version=str(told["version"]),
            points=len(told["checks"]),
            failed=tuple(one["name"] for one in told["checks"] if not one["passed"]),
        )
    except (KeyError, TypeError, ValueError):
        raise _no_report() from None


def _proved_page(content: bytes, key: PublicIdentity) -> dict[str, Any]:
    found = _MARK.fullmatch(content)
    if found is None:
        raise _no_report()
    _check(found["page"], found["key"].decode(), found["value"].decode(), key)
    told = _TOLD.search(found["page"])
    if told is None:
        raise _no_report()
    return dict(json.loads(told[1]))


def _proved_json(content: bytes, key: PublicIdentity) -> dict[str, Any]:
    try:
        told = json.loads(content)
        signature = told.pop("signature")
        signer, value = str(signature["key"]), str(signature["value"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _no_report() from None
    # Bytes are compared, so that no other reader of JSON finds something else in the file.
    if _sealed(told, signer, value) != content:
        raise _changed()
    _check(_text(told), signer, value, key)
    return dict(told)


def _text(told: dict[str, object]) -> bytes:
    return json.dumps(told, indent=2, ensure_ascii=False).encode()


def _sealed(told: dict[str, object], key: str, value: str) -> bytes:
    return _text(told | {"signature": {"key": key, "value": value}}) + b"\n"


def _signed(content: bytes, signer: Identity) -> str:
    return signer.sign(_PURPOSE + content).hex()


def _check(content: bytes, signer: str, value: str, key: PublicIdentity) -> None:
    if signer != key.hex:
        raise DeployError(
            "The report is signed by another key than that of this installation",
            remedy="Name the key of the server that it is of: --key report-key.pub, which is in "
            "that server's configuration folder. After `rotate-secrets report-key` the former "
            "one is in its git history.",
        )
    try:
        good = key.verifies(bytes.fromhex(value), _PURPOSE + content)
    except ValueError:
        good = False
    if not good:
        raise _changed()


def _changed() -> DeployError:
    return DeployError(
        "The report is not what was signed: it was changed",
        remedy="Get the file anew from who made it, or validate again.",
    )


def _no_report() -> DeployError:
    return DeployError(
        "It is not a signed report of `mip deploy validate`, or a damaged one",
        remedy="`mip deploy validate --report FOLDER` writes them.",
    )
