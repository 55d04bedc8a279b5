"""The guard at the door: every statistic passes here before it leaves the hospital."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from medmip.errors import MipError
from medmip.fold.statistic import FieldKind, FloatArray, IntArray, Statistic, field_kinds
from medmip.privacy.policy import Policy
from medmip.privacy.suppression import BoolArray, withheld

S = TypeVar("S", bound=Statistic)
Dominated = Callable[[float], Sequence[str]]
"""Names the variables of whose spread one patient has more than a share."""


class Refused(MipError):
    """The guard refused a release; rule names the policy's field that was broken."""

    title = "Refused to protect patients' privacy"
    status = 403

    def __init__(self, what: str, *, rule: str, remedy: str | None = None) -> None:
        super().__init__(what, remedy=remedy)
        self.rule = rule


@dataclass(frozen=True)
class Access:
    """Who asks for what: the part of a ledger row that is known before the answer.

    cohort is the cohort's fingerprint and snapshots maps each dataset to its snapshot's hash;
    the site fills both in.
    """

    user: str
    experiment: str
    algorithm: str
    cohort: str = ""
    snapshots: Mapping[str, str] = field(default_factory=dict)


class Witness(Protocol):
    """Whoever writes down releases and refusals; what is not written down is not released."""

    def record(
        self,
        access: Access,
        *,
        statistic: str,
        verdict: str,
        rule: str,
        reason: str,
        suppressed: int,
    ) -> None: ...


class CohortMemory(Protocol):
    """Remembers which records earlier cohorts held."""

    def on(self, snapshot: str) -> Sequence[str]:
        """The fingerprints of earlier cohorts that held records of this snapshot."""

    def held_by(self, cohort: str) -> Mapping[str, BoolArray]:
        """For each snapshot of an earlier cohort, which of its records it held, (records,)."""

    def remember(self, cohort: str, held: Mapping[str, BoolArray]) -> None:
        """Keeps a cohort; one that is known already is left as it is."""


@dataclass(frozen=True)
class SnapshotRows:
    """Whom a cohort holds in one snapshot.

    held is (records,): whether the cohort holds each record of the snapshot; patient is
    (records,), each record's patient number, or None where every record is a patient of its own.
    """

    snapshot: str
    held: BoolArray
    patient: IntArray | None


class Guard:
    """Applies one policy; tells the witness of every release and refusal."""

    def __init__(self, policy: Policy, witness: Witness, memory: CohortMemory) -> None:
        self.policy = policy
        self._witness = witness
        self._memory = memory
        self._admission = threading.Lock()

    def admit(
        self,
        access: Access,
        patients: int,
        rows: Callable[[], Sequence[SnapshotRows]],
        dominated: Dominated,
    ) -> None:
        """Lets a cohort be analysed; raises Refused where it is too small or like an earlier one.

        Nor is one admitted that a single patient dominates. patients is the number analysed over
        all datasets; rows tells whom the cohort holds, by the policy's overlap rule (nobody where
        it is off), and is asked only for a new cohort.
        """
        try:
            self._check_minimum(patients)
            self._check_dominance(dominated)
            with self._admission:
                if not self._memory.held_by(access.cohort):
                    held = rows()
                    self._check_overlap(held)
                    if held:
                        self._memory.remember(
                            access.cohort, {part.snapshot: part.held for part in held}
                        )
        except Refused as refusal:
            self._refuse(access, "cohort", refusal)
        self._witness.record(
            access, statistic="cohort", verdict="admitted", rule="", reason="", suppressed=0
        )

    def admit_share(self, access: Access, patients: int, dominated: Dominated) -> None:
        """Lets a share of an admitted cohort be analysed apart, such as one fold of a validation.

        Raises Refused where it has fewer than the minimum of patients: what is told of a cohort
        and of all but a share of it would tell of the share.
        """
        try:
            self._check_minimum(patients)
            self._check_dominance(dominated)
        except Refused as refusal:
            self._refuse(access, "share", refusal)
        self._witness.record(
            access, statistic="share", verdict="admitted", rule="", reason="", suppressed=0
        )

    def release(self, access: Access, statistic: S, patients: int, cells: Sequence[str] = ()) -> S:
        """The statistic as it may leave: small counts masked, with whatever rests on them.

        patients is the number of patients in the cohort; cells names the cells of the Cells
        fields. Raises Refused where the policy forbids the release.
        """
        name = type(statistic).__name__
        try:
            resting = statistic.resting_patients()
            fewest = patients if resting is None else min(resting, patients)
            self._check_parameters(statistic.supported_parameters(), fewest)
            released, suppressed = self._masked(statistic, cells)
        except Refused as refusal:
            self._refuse(access, name, refusal)
        self._witness.record(
            access, statistic=name, verdict="released", rule="", reason="", suppressed=suppressed
        )
        return released

    def preview(self, access: Access, patients: Sequence[int]) -> list[int | None]:
        """Numbers of patients told while a filter is being built, one for each dataset.

        They are rounded down to a multiple of the minimum per cell, so that two near filters tell
        nobody apart, and None below it; nothing about the cohort is remembered.
        """
        step = self.policy.minimum_cell
        told = [None if 0 < count < step else count // step * step for count in patients]
        self._witness.record(
            access,
            statistic="preview",
            verdict="released",
            rule="",
            reason="",
            suppressed=told.count(None),
        )
        return told

    def _refuse(self, access: Access, name: str, refusal: Refused) -> None:
        self._witness.record(
            access,
            statistic=name,
            verdict="refused",
            rule=refusal.rule,
            reason=refusal.what,
            suppressed=0,
        )
        raise refusal

    def _check_minimum(self, patients: int) -> None:
        if patients < self.policy.minimum_patients:
            raise Refused(
                f"The cohort has fewer than {self.policy.minimum_patients} patients",
                rule="minimum_patients",
                remedy="Widen the filter, add datasets, or leave out variables often missing.",
            )

    def _check_dominance(self, dominated: Dominated) -> None:
        names = dominated(self.policy.dominance)
        if names:
            raise Refused(
                f"One patient's value is so far from all others' that sums would tell it: "
                f"{', '.join(names)}",
                rule="dominance",
                remedy="Filter extreme values out, or leave the variable out.",
            )

    def _check_parameters(self, parameters: int, patients: int) -> None:
        needed = self.policy.patients_per_parameter * parameters
        if patients < needed:
            raise Refused(
                f"{parameters} parameters need at least {int(np.ceil(needed))} patients; "
                f"the cohort has {patients}",
                rule="patients_per_parameter",
                remedy="Choose fewer variables, or widen the cohort.",
            )

    def _check_overlap(self, rows: Sequence[SnapshotRows]) -> None:
        parts = {part.snapshot: part for part in rows}
        cohorts = {cohort for snapshot in parts for cohort in self._memory.on(snapshot)}
        for cohort in cohorts:
            earlier = self._memory.held_by(cohort)
            shared = [
                _patients_between(parts[snapshot], earlier[snapshot])
                for snapshot in parts.keys() & earlier.keys()
            ]
            apart = sum(_patients(part) for name, part in parts.items() if name not in earlier)
            apart += sum(int(held.sum()) for name, held in earlier.items() if name not in parts)
            # Results are told by dataset too, so each dataset's difference is held to the minimum.
            for difference in (*shared, sum(shared) + apart):
                if 0 < difference < self.policy.minimum_patients:
                    raise Refused(
                        "The cohort differs from an earlier one by fewer than "
                        f"{self.policy.minimum_patients} patients, so comparing the two could "
                        "reveal single patients",
                        rule="overlap",
                        remedy="Use the earlier cohort, or change the filter by more.",
                    )

    def _masked(self, statistic: S, cells: Sequence[str]) -> tuple[S, int]:
        kinds = field_kinds(type(statistic))
        changed: dict[str, Any] = {}
        masks: dict[str, BoolArray] = {}
        for name, kind in kinds.items():
            value = getattr(statistic, name)
            if kind.extreme and not self.policy.extremes:
                raise Refused(
                    "Minima and maxima are single patients' values",
                    rule="extremes",
                    remedy="Ask for quantiles instead.",
                )
            if kind.counts and kind.small != "keep":
                mask = self._small(value, kind, cells)
                masks[name] = mask
                if mask.any():
                    changed[name] = np.ma.masked_array(value, mask)
        for name, kind in kinds.items():
            if kind.cells is not None and masks[kind.cells].any():
                changed[name] = _mask_leading(getattr(statistic, name), masks[kind.cells])
        suppressed = int(sum(mask.sum() for mask in masks.values()))
        return (replace(statistic, **changed) if changed else statistic), suppressed

    def _small(self, counts: IntArray, kind: FieldKind, cells: Sequence[str]) -> BoolArray:
        counts = np.asarray(counts)
        small = (counts > 0) & (counts < self.policy.minimum_cell)
        if kind.small == "refuse" and small.any():
            names = [cells[index] for index in np.flatnonzero(small).tolist() if index < len(cells)]
            named = f" ({', '.join(names)})" if names else ""
            raise Refused(
                f"The analysis rests on a group of fewer than {self.policy.minimum_cell} "
                f"patients{named}",
                rule="minimum_cell",
                remedy="Filter that level out, or join it with another.",
            )
        if self.policy.complementary and small.any():
            small = withheld(counts, self.policy.minimum_cell, kind.margins, kind.pooled)
        return np.asarray(small)


def _mask_leading(value: FloatArray, mask: BoolArray) -> np.ma.MaskedArray[Any, Any]:
    value = np.asarray(value)
    expanded = mask.reshape((*mask.shape, *(1 for _ in range(value.ndim - mask.ndim))))
    return np.ma.masked_array(value, np.broadcast_to(expanded, value.shape))


def _patients(part: SnapshotRows) -> int:
    if part.patient is None:
        return int(part.held.sum())
    return len(np.unique(part.patient[part.held]))


def _patients_between(part: SnapshotRows, earlier: BoolArray) -> int:
    """Patients with a record in one cohort but not in the other, on one snapshot."""
    apart = part.held ^ earlier
    return _patients(SnapshotRows(part.snapshot, apart, part.patient))
