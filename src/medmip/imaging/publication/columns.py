"""Which measured numbers become which variables of a data model, and which have no place there."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from medmip.catalogue.data_model import DataModel
from medmip.catalogue.variable import Variable, VariableType
from medmip.imaging.volumetry.record import Quality, VolumesRecord

CUBIC_CENTIMETRES = frozenset({"cm3", "cm³", "cm^3", "cc", "ml"})
"""How a data model may spell the unit that volumes are measured in; a millilitre is one."""


@dataclass(frozen=True)
class Columns:
    """taken are the codes that are published, left_out the others, each with the reason."""

    taken: tuple[str, ...]
    left_out: Mapping[str, str]


def columns_for(
    model: DataModel, measured: Sequence[VolumesRecord], dropped: Collection[str]
) -> Columns:
    """The places of all that was measured; dropped are variables that the policy leaves out."""
    known = model.all_variables
    taken, left_out = [], {}
    volumes = dict.fromkeys(one.code for record in measured for one in record.volumes)
    for code in [*volumes, *Quality.model_fields]:
        why = _against(known.get(code), is_volume=code in volumes)
        if why is None and code in dropped:
            why = "the dataset's policy drops it"
        if why is None:
            taken.append(code)
        else:
            left_out[code] = why
    return Columns(tuple(taken), left_out)


def numbers_of(record: VolumesRecord) -> dict[str, float]:
    """All that was measured of a scan, by code."""
    return {one.code: one.cm3 for one in record.volumes} | record.quality.model_dump(
        exclude_none=True
    )


def _against(variable: Variable | None, *, is_volume: bool) -> str | None:
    if variable is None:
        return "the data model has no such variable"
    if variable.type is not VariableType.REAL:
        return f"the data model has it as {variable.type}, not real"
    if is_volume and variable.units.lower() not in CUBIC_CENTIMETRES:
        return f"the data model has it in {variable.units or 'no unit'}, not in cm3"
    return None
