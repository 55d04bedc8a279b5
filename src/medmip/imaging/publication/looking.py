"""What there is to join: the rows, the accepted scans of their patients, and who goes where."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from medmip.anonymise.settings import Anonymisation
from medmip.catalogue.data_model import DataModel
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.errors import Conflict, RequestError
from medmip.imaging.publication.accepted import Accepted, Shelved, accepted_scans, alike
from medmip.imaging.publication.columns import Columns, columns_for
from medmip.imaging.publication.matching import DatedScan, Fate, Matching, Visit, matched
from medmip.imaging.publication.plan import PublicationPlan, fates_told
from medmip.imaging.publication.wish import Wish
from medmip.imaging.shelf import Shelf
from medmip.imaging.volumetry.review import ScanStanding
from medmip.ingest.session import Session
from medmip.ingest.work import work_folder
from medmip.stewardship.applied import Applied, applied_to
from medmip.store.placed import refuse_placed
from medmip.store.snapshots import Datasets, Snapshot
from medmip.store.sql_session import literal, parquet, quoted

_ROW = "file_row_number"


@dataclass(frozen=True)
class Found:
    """A dataset's current version, what was done to it, and which scan goes to which of its rows.

    visits are the visits' codes of the rows that get a scan, in a longitudinal model.
    """

    model: DataModel
    current: Snapshot
    done: Applied
    scans: Mapping[str, Accepted]
    matching: Matching
    patients: Mapping[int, str]
    visits: Mapping[int, str]
    columns: Columns
    plan: PublicationPlan

    @property
    def joined(self) -> dict[int, Accepted]:
        """The scan of each row that gets one, by the row's number in the file."""
        return {row: self.scans[scan] for row, scan in sorted(self.matching.joined.items())}


def look(home: Home, wish: Wish) -> Found:
    """Bring accepted scans and rows together; nothing is changed.

    Raises UnknownDataset, UnknownModel, StoreError; Conflict where the dataset's patients have no
    pseudonyms, or scans were measured differently; RequestError where a named column is no date.
    """
    model = ModelStore(home).get(wish.model)
    refuse_placed(home, model.key, wish.dataset)
    datasets = Datasets(home)
    current = datasets.current(model.key, wish.dataset)
    datasets.verify(current)
    done = _pseudonymised(model, current)
    column, moved = _dates(done.policy.anonymisation, current, wish.date)
    shelved = accepted_scans(Shelf(home))
    rows = _rows(home, model, current, column, shelved.accepted)
    there = {visit.patient for visit, _ in rows}
    own = [scan for scan in shelved.accepted if scan.record.patient in there]
    chosen = alike(own, wish.atlas, wish.setting)
    strangers = [scan for scan in shelved.accepted if scan.record.patient not in there]
    dated = _dated([*chosen, *strangers], moved)
    visits = [visit for visit, _ in rows]
    matching = matched(dated, visits, None if column is None else wish.window)
    joined = [scan for scan in chosen if matching.fates[scan.record.id] is Fate.JOINED]
    dropped = done.policy.anonymisation.drop
    columns = columns_for(model, [scan.volumes for scan in joined], dropped)
    plan = _plan(wish, current, done, column, shelved, matching, columns, joined)
    plan = plan.model_copy(
        update={
            "other": len(own) - len(chosen),
            "patients_without": current.patients - len({scan.record.patient for scan in joined}),
        }
    )
    return Found(
        model=model,
        current=current,
        done=done,
        scans={scan.record.id: scan for scan in chosen},
        matching=matching,
        patients={visit.row: visit.patient for visit, _ in rows},
        visits={visit.row: code for visit, code in rows if code is not None},
        columns=columns,
        plan=plan,
    )


def _pseudonymised(model: DataModel, current: Snapshot) -> Applied:
    done = applied_to(current)
    keeps = done is None or done.policy.anonymisation.patient_codes == "keep"
    if done is None or keeps or model.patient_column not in current.variables:
        raise Conflict(
            f"{current.dataset} has no pseudonyms of patients, by which scans would find them.",
            remedy="Import the clinical rows under a policy that makes pseudonyms.",
        )
    return done


def _dates(
    settings: Anonymisation, current: Snapshot, wished: str | None
) -> tuple[str | None, int | None]:
    """The column of dates that move as those of scans do, and by how many days at most."""
    moves = {name: rule.shift for name, rule in settings.dates.items() if rule.shift is not None}
    # Dates of scans move as the narrowest of these rules says.
    least = min(moves.values(), default=None)
    fit = [name for name, shift in moves.items() if shift == least and name in current.variables]
    if wished is not None and wished not in fit:
        raise RequestError(
            f"{wished} is no column of {current.dataset} whose dates move as those of scans do.",
            remedy=f"There is {', '.join(fit)}." if fit else "There is none; leave it out.",
        )
    if wished is None and len(fit) > 1:
        raise RequestError(
            f"{current.dataset} has several columns of dates: {', '.join(fit)}.",
            remedy="Say which is the visit's: --date.",
        )
    column = wished or (fit[0] if fit else None)
    return column, None if column is None else least


def _rows(
    home: Home,
    model: DataModel,
    current: Snapshot,
    column: str | None,
    scans: Iterable[Accepted],
) -> list[tuple[Visit, str | None]]:
    """The rows of the patients who have a scan, each with its visit's code where it has one."""
    wanted = sorted({scan.record.patient for scan in scans if scan.record.patient})
    patient = quoted(model.patient_column)
    day = "NULL::DATE" if column is None else f"TRY_CAST({quoted(column)} AS DATE)"
    visit = model.visit_column
    code = quoted(visit) if visit in current.variables else "NULL"
    with work_folder(home) as work:
        file = work / "wanted.parquet"
        pq.write_table(pa.table({"patient": pa.array(wanted, pa.string())}), file)
        session = Session(work, "512MB", [home.datasets])
        try:
            found = session.rows(
                f"""
                SELECT {_ROW}, {patient}, {day}, {code} FROM {numbered(current.path)}
                WHERE {patient} IN (SELECT patient FROM {parquet(file)})
                ORDER BY 1
                """  # noqa: S608
            )
        finally:
            session.close()
    return [
        (
            Visit(int(str(row)), str(who), when if isinstance(when, date) else None),
            None if which is None else str(which),
        )
        for row, who, when, which in found
    ]


def numbered(path: Path) -> str:
    """A Parquet file as an SQL table whose rows have their number, `file_row_number`, from 0."""
    return f"read_parquet({literal(str(path))}, file_row_number = true)"


def _dated(scans: Sequence[Accepted], moved: int | None) -> list[DatedScan]:
    """A date counts where it moved as those that it is compared with: the rows', or other scans'.

    moved is by how many days at most the rows' dates moved, None where they have none.
    """
    ways: dict[str | None, set[int | None]] = defaultdict(set)
    for scan in scans:
        ways[scan.record.patient].add(scan.record.moved)
    found = []
    for scan in scans:
        told, way = scan.record.acquired, scan.record.moved
        alike = way == moved if moved is not None else len(ways[scan.record.patient]) == 1
        day = date.fromisoformat(told) if told is not None and alike else None
        found.append(DatedScan(scan.record.id, str(scan.record.patient), day))
    return found


def _plan(
    wish: Wish,
    current: Snapshot,
    done: Applied,
    column: str | None,
    shelved: Shelved,
    matching: Matching,
    columns: Columns,
    joined: Sequence[Accepted],
) -> PublicationPlan:
    former = done.volumes.columns if done.volumes else ()
    there = [*current.variables]
    return PublicationPlan(
        model=current.model,
        dataset=current.dataset,
        version=current.version,
        target=wish.code,
        date=column,
        window=None if column is None else wish.window,
        **fates_told(matching),
        waiting=shelved.standings[ScanStanding.WAITING],
        rejected=shelved.standings[ScanStanding.REJECTED],
        other=0,
        patients=current.patients,
        patients_without=current.patients,
        atlas=joined[0].atlas if joined else None,
        setting=joined[0].volumes.setting if joined else None,
        columns=columns.taken,
        replaced=tuple(name for name in there if name in columns.taken),
        gone=tuple(name for name in former if name in there and name not in columns.taken),
        left_out=columns.left_out,
    )
