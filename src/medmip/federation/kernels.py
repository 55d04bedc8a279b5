"""The kernels that an algorithm may ask a site to run: those that its own code can reach."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import CodeType, FunctionType, ModuleType
from typing import Any, get_type_hints

from medmip.algorithms.combat import Combat
from medmip.algorithms.declaration import Algorithm
from medmip.algorithms.imputation import Imputation
from medmip.algorithms.prepared import told
from medmip.algorithms.standardise import Standardise
from medmip.errors import MipError
from medmip.fold.block import Block
from medmip.fold.moments import moments
from medmip.fold.scores import class_scores, number_scores
from medmip.fold.statistic import Statistic

_PREPARATION = (Combat, Imputation, Standardise, told)
"""What prepares records before any algorithm, and tells what was done."""
_VALIDATION = (moments, class_scores, number_scores)
"""What judges any algorithm's predictions of held-out records."""
_OURS = "medmip"


class UnknownKernel(MipError):
    """A kernel was named that no enabled algorithm runs."""

    title = "The site does not run that"
    status = 403


@dataclass(frozen=True)
class Kernel:
    """A function of a block and a state, by the name that it travels under."""

    name: str
    function: Callable[[Block, Any], Statistic]
    state: Any
    statistic: type[Statistic]


def name_of(function: Callable[..., object]) -> str:
    """The name that a kernel travels under: `module:function`."""
    return f"{function.__module__}:{getattr(function, '__qualname__', '')}"


@cache
def kernels_of(algorithm: Algorithm[Any, Any]) -> Mapping[str, Kernel]:
    """Every kernel that an algorithm may run, with those of preparation and validation."""
    return kernels_reached((algorithm.run,)) | _besides()


@cache
def _besides() -> dict[str, Kernel]:
    return kernels_reached((*_PREPARATION, *_VALIDATION))


def kernels_of_all(algorithms: Iterable[Algorithm[Any, Any]]) -> dict[str, Kernel]:
    """Every kernel that any of these algorithms may run."""
    return {name: kernel for one in algorithms for name, kernel in kernels_of(one).items()}


def described(function: Callable[..., Any]) -> Kernel:
    """What a kernel takes and gives by its annotations; raises UnknownKernel where it is none."""
    found = _as_kernel(function)
    if found is None:
        raise UnknownKernel(
            f"{name_of(function)} is no kernel: a function of a block and a state, both annotated"
        )
    return found


@cache
def _as_kernel(function: Callable[..., Any]) -> Kernel | None:
    parameters = list(inspect.signature(function).parameters)
    if len(parameters) != 2:
        return None
    hints = get_type_hints(function, include_extras=True)
    given = hints.get("return")
    if not isinstance(given, type) or not issubclass(given, Statistic):
        return None
    if hints.get(parameters[0]) is not Block or parameters[1] not in hints:
        return None
    return Kernel(name_of(function), function, hints[parameters[1]], given)


def kernels_reached(begun: Iterable[object]) -> dict[str, Kernel]:
    """Every kernel that code can name, from these functions and classes on."""
    waiting, seen = list(begun), set[int]()
    kept: list[object] = []
    found: dict[str, Kernel] = {}
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        kept.append(one)
        if isinstance(one, FunctionType):
            kernel = _as_kernel(one) if one.__code__.co_argcount == 2 else None
            if kernel is not None:
                found[kernel.name] = kernel
            waiting += _named(one)
        elif isinstance(one, type):
            waiting += _within(one)
        elif isinstance(one, Algorithm):
            waiting.append(one.run)
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, tuple | list | frozenset):
            waiting += one
    return found


def _named(function: FunctionType) -> Iterator[object]:
    """What a function's code names in its module, attributes of modules among them."""
    names = _names(function.__code__)
    for name in names:
        value = function.__globals__.get(name)
        if isinstance(value, ModuleType):
            if value.__name__.partition(".")[0] == _OURS:
                yield from (vars(value)[inner] for inner in names if inner in vars(value))
        elif _is_code_of_ours(value, function):
            yield value
    for cell in function.__closure__ or ():
        yield cell.cell_contents


def _names(code: CodeType) -> set[str]:
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return set(code.co_names).union(*(_names(part) for part in inner))


def _is_code_of_ours(value: object, user: FunctionType) -> bool:
    """Whether it is worth a look: ours, or of the package that the algorithm came with."""
    if isinstance(value, dict | tuple | list | frozenset | Algorithm):
        return True
    package = str(getattr(value, "__module__", "")).partition(".")[0]
    return package in (_OURS, user.__module__.partition(".")[0])


def _within(kind: type) -> Iterator[object]:
    for member in vars(kind).values():
        for part in (member, getattr(member, "__func__", None), getattr(member, "fget", None)):
            if isinstance(part, FunctionType):
                yield part
        wrapped = getattr(member, "func", None)
        if isinstance(wrapped, FunctionType):
            yield wrapped
    yield from (base for base in kind.__bases__ if base.__module__.partition(".")[0] == _OURS)
