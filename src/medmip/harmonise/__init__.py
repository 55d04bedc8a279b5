"""From files of any shape to the rows of a data model, by a mapping that a person can read."""

from medmip.harmonise.coverage import Coverage, coverage
from medmip.harmonise.errors import MappingError
from medmip.harmonise.mapping import Mapping
from medmip.harmonise.mapping_file import SHIPPED, MappingFile, parse_mapping, read_mapping
from medmip.harmonise.publishing import harmonise

__all__ = [
    "SHIPPED",
    "Coverage",
    "Mapping",
    "MappingError",
    "MappingFile",
    "coverage",
    "harmonise",
    "parse_mapping",
    "read_mapping",
]
