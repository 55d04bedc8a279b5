"""Which formats of files are read, told by the endings of their names."""

from enum import StrEnum


class Format(StrEnum):
    """How a file keeps its table."""

    CSV = "csv"
    EXCEL = "excel"
    PARQUET = "parquet"
    SPSS = "spss"
    SAS = "sas"
    STATA = "stata"
    FHIR = "fhir"
    ZIP = "zip"
    MAPPING = "mapping"


SUFFIXES = {
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".tab": Format.CSV,
    ".txt": Format.CSV,
    ".xlsx": Format.EXCEL,
    ".parquet": Format.PARQUET,
    ".sav": Format.SPSS,
    ".zsav": Format.SPSS,
    ".por": Format.SPSS,
    ".sas7bdat": Format.SAS,
    ".xpt": Format.SAS,
    ".dta": Format.STATA,
    ".ndjson": Format.FHIR,
    ".zip": Format.ZIP,
}
TAB_SUFFIXES = (".tsv", ".tab")
