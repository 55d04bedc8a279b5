"""A statistic that came from outside: whether its fields can be what they are declared to be."""

from typing import TypeVar

import numpy as np

from medmip.federation.wire import Malformed
from medmip.fold.statistic import Statistic, field_kinds

S = TypeVar("S", bound=Statistic)
MOST_PATIENTS = 2**40


def checked(statistic: S) -> S:
    """The statistic itself; raises Malformed naming the field that cannot be what it is called.

    Counts are whole numbers of patients; what is masked beside them has their shape in front.
    A sum may be infinite or no number: a step that went too far is, and its algorithm steps back.
    """
    kinds = field_kinds(type(statistic))
    for name, kind in kinds.items():
        value = getattr(statistic, name)
        if kind.counts:
            plain = np.ma.filled(value, 0)
            if plain.size and (plain.min() < 0 or plain.max() > MOST_PATIENTS):
                raise Malformed(f"{name} holds no numbers of patients")
        if isinstance(value, np.ma.MaskedArray) and not kind.counts and kind.cells is None:
            raise Malformed(f"{name} is masked and rests on no counts")
        if kind.cells is not None:
            cells = np.shape(getattr(statistic, kind.cells))
            if np.shape(value)[: len(cells)] != cells:
                raise Malformed(f"{name} has not the shape of {kind.cells}")
    return statistic
