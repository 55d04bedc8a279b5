"""Kernels as machine code, made when one is first called and kept for the next start."""

from collections.abc import Callable
from functools import cache, update_wrapper
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Compiled(Generic[P, R]):
    """A function of arrays and numbers that runs as machine code, without Python's lock.

    signature is Numba's, of the one set of types that it takes: array arguments must have that
    type, order and number of axes, or the call raises TypeError. Numba itself is imported at the
    first call, so that a start of the program that folds nothing does not wait for it.
    """

    def __init__(self, function: Callable[P, R], signature: str) -> None:
        update_wrapper(self, function)
        self._function, self._signature = function, signature
        self._made: Callable[P, R] | None = None

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        made = self._made
        if made is None:
            made = self._made = _made(self._function, self._signature)
        return made(*args, **kwargs)


def compiled(signature: str) -> Callable[[Callable[P, R]], Compiled[P, R]]:
    """The decorator of functions that are to be compiled for this signature of Numba's."""
    return lambda function: Compiled(function, signature)


@cache
def _made(function: Callable[P, R], signature: str) -> Callable[P, R]:
    """The compiled function; Numba's own lock keeps two threads from compiling at once."""
    import numba  # noqa: PLC0415

    def build(*, kept: bool) -> Callable[P, R]:
        # Strict IEEE arithmetic (no fastmath): the same bits whatever the processor's vectors.
        made: Callable[P, R] = numba.njit(signature, nogil=True, cache=kept, error_model="numpy")(
            function
        )
        return made

    try:
        return build(kept=True)
    except RuntimeError:
        # Neither the package's folder nor the user's cache can be written: each start compiles.
        return build(kept=False)
