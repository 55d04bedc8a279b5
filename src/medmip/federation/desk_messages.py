"""What a node and the hub's membership desk say to each other: typed, signed, bound together."""

import hashlib
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)

from medmip.errors import MipError
from medmip.federation.identity import Identity, PublicIdentity, UnusableIdentity
from medmip.federation.site_record import SiteState
from medmip.federation.succession import Succession

LONGEST = 65_536
"""Bytes of a message; the longest is a chain of successions and a certificate."""

Hex32 = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(max_length=200)]


class BadMessage(MipError):
    """A message that is not what its receiver can take, or not from whom it should be."""

    title = "The message is not valid"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Enrol(_Model):
    """An invited node asks to be a site; tls_key is what its certificate shall be for."""

    kind: Literal["enrol"] = "enrol"
    tls_key: Hex32


class Hello(_Model):
    """A node tells that it is there, and asks where it stands."""

    kind: Literal["hello"] = "hello"


class Renew(_Model):
    """A member asks for a new certificate."""

    kind: Literal["renew"] = "renew"
    tls_key: Hex32


class Rotate(_Model):
    """A member hands over to its next key."""

    kind: Literal["rotate"] = "rotate"
    succession: Succession


class Leave(_Model):
    """A member goes."""

    kind: Literal["leave"] = "leave"


Matter = Enrol | Hello | Renew | Rotate | Leave


class Question(_Model):
    """What a node asks, when by its clock, and running which version."""

    at: AwareDatetime
    version: Text
    matter: Annotated[Matter, Field(discriminator="kind")]


class Welcome(_Model):
    """Where a site stands; certificate (PEM) only where one was asked for.

    policy holds the federation's thresholds.
    """

    kind: Literal["welcome"] = "welcome"
    node: Text
    name: Text
    state: SiteState
    certificate: Annotated[str, StringConstraints(max_length=4096)] | None = None
    successions: tuple[Succession, ...] = ()
    policy: dict[Text, bool | int | float | Text] = {}


class Refusal(_Model):
    """Why the desk said no."""

    kind: Literal["refusal"] = "refusal"
    what: Annotated[str, StringConstraints(max_length=500)]
    remedy: Annotated[str, StringConstraints(max_length=500)] | None = None


class Answer(_Model):
    """What the desk answers to the question of this hash, and its clock and version."""

    question: Hex32
    at: AwareDatetime
    version: Text
    said: Annotated[Welcome | Refusal, Field(discriminator="kind")]


class Sealed(_Model):
    """A message's JSON, with the key that signed it for this subject."""

    content: Annotated[str, StringConstraints(max_length=LONGEST)]
    key: Hex32
    signature: Annotated[str, StringConstraints(pattern="^[0-9a-f]{128}$")]


QUESTION: TypeAdapter[Question] = TypeAdapter(Question)
ANSWER: TypeAdapter[Answer] = TypeAdapter(Answer)


def sealed(message: Question | Answer, subject: str, identity: Identity) -> bytes:
    """The bytes of a message to this subject."""
    content = message.model_dump_json()
    signature = identity.sign(_signed(subject, content))
    return (
        Sealed(content=content, key=identity.public.hex, signature=signature.hex())
        .model_dump_json()
        .encode()
    )


Message = TypeVar("Message", Question, Answer)


def opened(data: bytes, subject: str, of: TypeAdapter[Message]) -> tuple[Message, PublicIdentity]:
    """A message and the key that signed it; the caller tells whether that key may speak.

    Raises BadMessage for anything else.
    """
    try:
        if len(data) > LONGEST:
            raise BadMessage(f"It is longer than {LONGEST} bytes")
        seal = Sealed.model_validate_json(data)
        key = PublicIdentity.from_hex(seal.key)
        if not key.verifies(bytes.fromhex(seal.signature), _signed(subject, seal.content)):
            raise BadMessage("Its signature does not hold")
        return of.validate_json(seal.content), key
    except (ValidationError, UnusableIdentity):
        # Pydantic's message repeats what was sent.
        raise BadMessage("It does not have the form of a membership message") from None


def digest(data: bytes) -> str:
    """The hash by which an answer names its question."""
    return hashlib.sha256(data).hexdigest()


def question(matter: Matter, at: datetime) -> Question:
    """A question of this installation."""
    return Question(at=at, version=software_version(), matter=matter)


def software_version() -> str:
    """The version of MIP that runs here."""
    return version("medmip")


def _signed(subject: str, content: str) -> bytes:
    return b"mip membership\0" + subject.encode() + b"\0" + content.encode()
