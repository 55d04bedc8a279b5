"""Data models as other platforms write them."""

from medmip.catalogue.data_model import DataModel, Group

_UNITS = ("cm3", "years")
"""Those that dementia:0.1 names."""


def unitless(model: DataModel) -> DataModel:
    """The same variables; scores and markers have no unit, as in the peers' dementia:0.1."""

    def group(old: Group) -> Group:
        variables = tuple(
            v if v.units in _UNITS else v.model_copy(update={"units": ""}) for v in old.variables
        )
        return old.model_copy(
            update={"variables": variables, "groups": tuple(map(group, old.groups))}
        )

    return model.model_copy(update={"version": "0.1", "groups": tuple(map(group, model.groups))})
