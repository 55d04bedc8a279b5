"""Age and sex of scans' patients, as the clinical rows of the dataset have them that scans join."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.errors import MipError
from medmip.imaging.settings import imaging_settings
from medmip.ingest.session import Session
from medmip.ingest.work import work_folder
from medmip.store.snapshots import Datasets
from medmip.store.sql_session import parquet, quoted

_MEMORY = "512MB"


@dataclass(frozen=True)
class Person:
    """A patient's age in years, the middle one of several visits, and sex as the rows code it."""

    age: float
    sex: str


def people_of(home: Home, patients: Collection[str]) -> Mapping[str, Person]:
    """Those of the patients, by their pseudonyms, whose age and sex are known; the others lack.

    Nobody is known where `mip.toml` names no dataset for scans, or its current version is not kept
    here or has no such columns: then numbers are told without regard to age and sex.
    """
    settings = imaging_settings(home)
    if settings.model is None or settings.dataset is None or not patients:
        return {}
    try:
        model = ModelStore(home).get(settings.model)
        current = Datasets(home).current(model.key, settings.dataset)
    except MipError:
        return {}
    if not {model.patient_column, settings.age, settings.sex} <= set(current.variables):
        return {}
    patient, age, sex = map(quoted, (model.patient_column, settings.age, settings.sex))
    with work_folder(home) as work:
        file = work / "wanted.parquet"
        pq.write_table(pa.table({"patient": pa.array(sorted(patients), pa.string())}), file)
        session = Session(work, _MEMORY, [home.datasets])
        try:
            # Whoever has two sexes in the rows has none here.
            found = session.rows(
                f"""
                SELECT {patient}, median(TRY_CAST({age} AS DOUBLE)), min({sex})
                FROM {parquet(current.path)}
                WHERE {patient} IN (SELECT patient FROM {parquet(file)})
                GROUP BY 1
                HAVING count(DISTINCT {sex}) = 1 AND count(TRY_CAST({age} AS DOUBLE)) > 0
                """  # noqa: S608
            )
        finally:
            session.close()
    return {str(who): Person(float(str(years)), str(which)) for who, years, which in found}
