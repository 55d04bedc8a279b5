"""Units, by name: one conversion, worked out before any number is read, as a factor and a shift."""

import re
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

import pint

from medmip.harmonise.errors import MappingError

_EXACT = 2**53
_POWER = re.compile(r"(?<=[A-Za-zµμ])\^?(-?[1-9])(?![0-9])")
_UCUM = {
    "{score}": "",
    "{total}": "",
    "[iU]": "international_unit",
    "mm[Hg]": "mmHg",
    "cc": "cm3",
    "a": "year",
    "years": "year",
    "mo": "month",
    "wk": "week",
    "d": "day",
    "Cel": "degC",
    "[degF]": "degF",
}


@dataclass(frozen=True, slots=True)
class Conversion:
    """result = value * numerator / denominator + shift, exact but for the last step's rounding."""

    numerator: float
    denominator: float = 1.0
    shift: float = 0.0

    @classmethod
    def of(cls, factor: Fraction, shift: Fraction = Fraction(0)) -> "Conversion":
        """Whole numbers of which the quotient is the factor, where doubles hold them."""
        if max(abs(factor.numerator), factor.denominator) <= _EXACT:
            return cls(float(factor.numerator), float(factor.denominator), float(shift))
        return cls(float(factor), 1.0, float(shift))

    def sql(self, value: str, kind: str = "DOUBLE") -> str:
        """Of a number of this type, as SQL; nothing is done where nothing changes, so no digit is
        lost.
        """
        if self == Conversion(1.0):
            return value
        scaled = f"({value})"
        if self.numerator != 1:
            scaled += f" * {self.numerator!r}::{kind}"
        if self.denominator != 1:
            scaled += f" / {self.denominator!r}::{kind}"
        if self.shift:
            scaled += f" + {self.shift!r}::{kind}"
        return f"({scaled})"


def conversion(source: str, target: str, molar_mass: float | None, where: str) -> Conversion:
    """From one unit to another; molar_mass in g/mol lets an amount of substance become a mass.

    Raises MappingError where a unit is not known or the two measure different things.
    """
    if source.strip() == target.strip():
        return Conversion(1.0)
    units = _registry()
    first, second = _unit(units, source, where), _unit(units, target, where)
    try:
        if molar_mass is not None:
            mass = units.Quantity(Fraction(str(molar_mass)), "g/mol")
            return Conversion.of((units.Quantity(Fraction(1), first) * mass).to(second).magnitude)
        at_zero, at_one = (
            units.Quantity(Fraction(value), first).to(second).magnitude for value in (0, 1)
        )
    except pint.PintError:
        raise MappingError(
            f"{source} cannot be turned into {target}: they measure different things.",
            where=where,
            remedy="Correct the unit; an amount of substance needs molar_mass to become a mass.",
        ) from None
    return Conversion.of(Fraction(at_one) - Fraction(at_zero), Fraction(at_zero))


@cache
def _registry() -> pint.UnitRegistry[Fraction]:
    return pint.UnitRegistry(non_int_type=Fraction)


def _unit(units: pint.UnitRegistry[Fraction], name: str, where: str) -> pint.Unit:
    plain = _UCUM.get(name.strip(), name.strip())
    try:
        return units.Unit(_POWER.sub(r"**\1", plain))
    except Exception:  # noqa: BLE001 - pint raises many kinds for a text that is no unit
        raise MappingError(
            f"“{name}” is no unit that is known.",
            where=where,
            remedy="Write it as cm3, mm3, pg/mL, mmol/L, years, kg or the like.",
        ) from None
