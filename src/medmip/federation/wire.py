"""The wire: values as MessagePack, read against the type that the receiver expects.

What a sender writes never chooses a class: a dataclass travels as the list of its fields, and
the name of a union's member or an abstract class's subclass is looked up among those members alone.
Whatever bytes arrive, reading them raises `Malformed` or gives a value of the expected type.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache, lru_cache
from inspect import isabstract
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgpack
import numpy as np
from pydantic import BaseModel

from medmip.errors import MipError
from medmip.federation.wire_arrays import read_array, written_array
from medmip.fold.design import Design

T = TypeVar("T")
LARGEST = 64 * 2**20
"""Bytes of one value, at the most."""
_DEEPEST = 100
_KEPT = (Design,)
"""Types whose values come again in every round of an analysis: what was read of them is kept."""
_MOST_KEPT = 32
_LARGEST_KEPT = 2**18
_INTEGERS = range(-(2**63), 2**64)


class Malformed(MipError):
    """Bytes that are not what was expected, or a value that cannot travel."""

    title = "A message cannot be read"


@dataclass(frozen=True)
class _Codec:
    """How values of one type become what MessagePack knows, and are checked and read back."""

    write: Callable[[Any], object]
    read: Callable[[object, int], Any]


def encoded(value: T, expected: object) -> bytes:
    """The bytes of a value of this type; raises Malformed where it is of another."""
    try:
        content: bytes = msgpack.packb(_codec(expected).write(value))
    except (TypeError, ValueError, OverflowError, AttributeError, RecursionError) as error:
        raise Malformed(f"a {type(value).__name__} cannot travel: {error}") from None
    if len(content) > LARGEST:
        raise Malformed(f"a {type(value).__name__} is larger than {LARGEST >> 20} MB")
    return content


def decoded(content: bytes, expected: type[T]) -> T:
    """The value of this type that the bytes hold; raises Malformed, and nothing else."""
    found: T = decoded_as(content, expected)
    return found


def decoded_as(content: bytes, expected: object) -> Any:  # noqa: ANN401 - of the type expected
    """As `decoded`, of any annotation that a field of a message, state or statistic may have."""
    if len(content) > LARGEST:
        raise Malformed(f"{len(content)} bytes are more than a message may have")
    try:
        return _codec(expected).read(msgpack.unpackb(content, strict_map_key=True), 0)
    except Malformed:
        raise
    except Exception as error:  # noqa: BLE001 - bytes from outside, read by many constructors
        # The error's own words may quote what was sent.
        raise Malformed(f"the bytes are no {_name(expected)} ({type(error).__name__})") from None


def _name(expected: object) -> str:
    return getattr(expected, "__name__", str(expected))


@cache
def _codec(expected: Any) -> _Codec:  # noqa: ANN401 - any annotation
    origin, arguments = get_origin(expected), get_args(expected)
    if origin is Annotated:
        return _codec(arguments[0])
    if expected in _PLAIN:
        return _PLAIN[expected]
    if origin is Literal:
        return _choice(arguments)
    if origin in (Union, UnionType):
        return _union(arguments)
    if origin is np.ndarray:
        return _array(np.dtype(get_args(arguments[1])[0]))
    if origin is tuple:
        return _tuple(arguments)
    if origin in (Mapping, dict):
        return _mapping(arguments)
    if isinstance(expected, type):
        if expected in _KEPT:
            return _kept(_fields(expected))
        if issubclass(expected, Enum):
            return _choice(tuple(expected))
        if isabstract(expected) or is_protocol(expected):
            return _union(concrete(expected))
        if issubclass(expected, BaseModel):
            return _document(expected)
        if is_dataclass(expected):
            return _fields(expected)
    raise TypeError(f"nothing of type {_name(expected)} may travel")


def concrete(base: type) -> tuple[type, ...]:
    """The installed classes that may stand for an abstract one or a protocol, by name."""
    found: set[type] = set()
    waiting = [base]
    while waiting:
        one = waiting.pop()
        waiting += one.__subclasses__()
        if not isabstract(one) and not is_protocol(one):
            found.add(one)
    return tuple(sorted(found, key=lambda one: (one.__name__, one.__module__)))


def is_protocol(kind: type) -> bool:
    """Whether a class is a protocol itself, not one of those that follow it."""
    return bool(vars(kind).get("_is_protocol", False))


def _exactly(wanted: type) -> _Codec:
    def read(raw: object, _: int) -> object:
        if type(raw) is not wanted:
            raise Malformed(f"a {type(raw).__name__} stands where a {wanted.__name__} should")
        return raw

    def write(value: object) -> object:
        if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
            raise TypeError(f"{type(value).__name__} is no {wanted.__name__}")
        return wanted(value)

    return _Codec(write, read)


def _whole() -> _Codec:
    plain = _exactly(int)

    def write(value: object) -> object:
        number = int(value) if isinstance(value, np.integer) else plain.write(value)
        if number not in _INTEGERS:
            raise ValueError("an integer has more than 64 bits")
        return number

    return _Codec(write, plain.read)


def _real() -> _Codec:
    def write(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | np.number):
            raise TypeError(f"{type(value).__name__} is no number")
        return float(value)

    return _Codec(write, _exactly(float).read)


_PLAIN: dict[object, _Codec] = {
    bool: _exactly(bool),
    int: _whole(),
    float: _real(),
    str: _exactly(str),
    bytes: _exactly(bytes),
}


def _choice(members: Sequence[Any]) -> _Codec:
    """One of a few members, by its place."""

    def write(value: object) -> int:
        return list(members).index(value)

    def read(raw: object, _: int) -> object:
        return members[_place(raw, len(members))]

    return _Codec(write, read)


def _place(raw: object, size: int) -> int:
    if type(raw) is not int or not 0 <= raw < size:
        raise Malformed("a choice is none of those there are")
    return raw


def _union(members: tuple[Any, ...]) -> _Codec:
    """A member of a union; which one is told by its class's name, where there are several.

    The name is looked up among the members alone, so that it cannot call up anything else.
    """
    flat: list[Any] = []
    for member in members:
        abstract = isinstance(member, type) and (isabstract(member) or is_protocol(member))
        flat += concrete(member) if abstract else [member]
    optional = NoneType in flat
    flat = [member for member in flat if member is not NoneType]
    some = {_name(get_origin(member) or member): member for member in flat}

    def write(value: object) -> object:
        if value is None and optional:
            return None
        if len(flat) == 1:
            return _codec(flat[0]).write(value)
        name = type(value).__name__
        if name not in some:
            raise TypeError(f"{name} is no member of the union")
        return [name, _codec(some[name]).write(value)]

    def read(raw: object, depth: int) -> object:
        if raw is None and optional:
            return None
        if len(flat) == 1:
            return _codec(flat[0]).read(raw, depth + 1)
        name, content = _list(raw, 2, depth)
        if not isinstance(name, str) or name not in some:
            raise Malformed("a value is none of those that may stand there")
        return _codec(some[name]).read(content, depth + 1)

    return _Codec(write, read)


def _list(raw: object, size: int | None, depth: int) -> list[Any]:
    if type(raw) is not list or depth > _DEEPEST or (size is not None and len(raw) != size):
        raise Malformed("a list is missing, nested too deep, or of another length")
    return raw


def _tuple(arguments: tuple[Any, ...]) -> _Codec:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        (item, _) = arguments

        def read(raw: object, depth: int) -> tuple[Any, ...]:
            one = _codec(item).read
            return tuple([one(part, depth + 1) for part in _list(raw, None, depth)])

        def write(value: Sequence[object]) -> list[object]:
            one = _codec(item).write
            return [one(part) for part in value]

        return _Codec(write, read)

    def read_each(raw: object, depth: int) -> tuple[Any, ...]:
        parts = zip(arguments, _list(raw, len(arguments), depth), strict=True)
        return tuple(_codec(kind).read(part, depth + 1) for kind, part in parts)

    def write_each(value: Sequence[object]) -> list[object]:
        return [_codec(kind).write(part) for kind, part in zip(arguments, value, strict=True)]

    return _Codec(write_each, read_each)


def _mapping(arguments: tuple[Any, ...]) -> _Codec:
    pairs = tuple[tuple[arguments[0], arguments[1]], ...]  # type: ignore[valid-type]

    def write(value: Mapping[Any, object]) -> object:
        return _codec(pairs).write(tuple(value.items()))

    def read(raw: object, depth: int) -> dict[Any, Any]:
        return dict(_codec(pairs).read(raw, depth))

    return _Codec(write, read)


def _array(dtype: np.dtype[Any]) -> _Codec:
    def read(raw: object, depth: int) -> object:
        return read_array(_list(raw, None, depth), dtype)

    return _Codec(lambda value: written_array(value, dtype), read)


def _document(model: type[BaseModel]) -> _Codec:
    """A pydantic model as the JSON that it lives on in; every model of ours reads its own back."""

    def write(value: BaseModel) -> str:
        if type(value) is not model:
            raise TypeError(f"{type(value).__name__} is no {model.__name__}")
        return value.model_dump_json()

    def read(raw: object, _: int) -> BaseModel:
        if type(raw) is not str:
            raise Malformed("a document is no text")
        return model.model_validate_json(raw)

    return _Codec(write, read)


def _kept(codec: _Codec) -> _Codec:
    """Values in bytes of their own, written and read once; a value so shared is never changed."""

    @lru_cache(maxsize=_MOST_KEPT)
    def known(content: bytes) -> object:
        return codec.read(msgpack.unpackb(content, strict_map_key=True), 0)

    def read(raw: object, _: int) -> object:
        if type(raw) is not bytes:
            raise Malformed("a value that is kept does not stand in bytes")
        return known(raw) if len(raw) <= _LARGEST_KEPT else known.__wrapped__(raw)

    @lru_cache(maxsize=_MOST_KEPT)
    def written(value: object) -> bytes:
        content: bytes = msgpack.packb(codec.write(value))
        return content

    return _Codec(written, read)


def _fields(kind: type) -> _Codec:
    hints = get_type_hints(kind, include_extras=True)
    names = [field.name for field in fields(kind) if field.init]

    # Fields that travel as they are: of a message most, checked together as each takes its time.
    plain = [hints[name] if hints[name] in _PLAIN else None for name in names]

    # At the first use: a class may have a field of its own kind.
    @cache
    def codecs() -> tuple[tuple[int, _Codec], ...]:
        return tuple(
            (index, _codec(hints[name]))
            for index, name in enumerate(names)
            if hints[name] not in _PLAIN
        )

    def are_plain(values: Sequence[object]) -> bool:
        kinds: list[object] = list(map(type, values))
        for index, _ in codecs():
            kinds[index] = None
        return kinds == plain

    def write(value: object) -> list[object]:
        if type(value) is not kind:
            raise TypeError(f"{type(value).__name__} is no {kind.__name__}")
        values = [getattr(value, name) for name in names]
        if not are_plain(values):
            return [_codec(hints[name]).write(getattr(value, name)) for name in names]
        for index, codec in codecs():
            values[index] = codec.write(values[index])
        return values

    def read(raw: object, depth: int) -> object:
        values = list(_list(raw, len(names), depth))
        if not are_plain(values):
            raise Malformed(f"a {kind.__name__} has fields of other types")
        for index, codec in codecs():
            values[index] = codec.read(values[index], depth + 1)
        return kind(**dict(zip(names, values, strict=True)))

    return _Codec(write, read)
