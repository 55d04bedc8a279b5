"""A person's consent to each new cohort and algorithm, where a site asks for it."""

import hashlib
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from medmip.catalogue.atomic_file import write_atomically
from medmip.errors import MipError, NotFound
from medmip.federation.request import CohortRequest
from medmip.federation.site_runs import Opening
from medmip.federation.wire import encoded
from medmip.privacy.guard import Refused


class ApprovalsDamaged(MipError):
    """The file of consents cannot be read; everything waits until it can."""

    title = "The consents cannot be read"


class Wish(BaseModel):
    """Somebody at the hub wants a cohort analysed; by is who answered, where somebody did."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    user: str
    algorithms: tuple[str, ...]
    datasets: tuple[str, ...]
    variables: tuple[str, ...]
    filtered: bool
    asked: str
    answer: Literal["waiting", "granted", "denied"] = "waiting"
    by: str = ""


_WISHES = TypeAdapter(dict[str, Wish])


class Approvals:
    """Wishes and their answers, in one file that is replaced whole."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()

    def check(self, opening: Opening, approver: str) -> None:
        """Raises Refused unless a person agreed to this cohort and these algorithms before."""
        wish = _wish(opening)
        with self._lock:
            wishes = self._read()
            known = wishes.get(wish.id)
            if known is None:
                wishes[wish.id] = wish
                self._write(wishes)
        who = approver or "the site's administrator"
        if known is not None and known.answer == "granted":
            return
        if known is not None and known.answer == "denied":
            raise Refused(f"{known.by or who} declined this analysis", rule="approval")
        raise Refused(
            f"{who} has to agree to this analysis first, and has been asked",
            rule="approval",
            remedy="Run it again once the site has agreed.",
        )

    def list(self) -> Sequence[Wish]:
        """Every wish, the newest last."""
        with self._lock:
            return sorted(self._read().values(), key=lambda wish: wish.asked)

    def answer(self, wish: str, answer: Literal["granted", "denied"], by: str) -> Wish:
        """Keeps a person's answer; raises NotFound."""
        with self._lock:
            wishes = self._read()
            if wish not in wishes:
                raise NotFound(f"Nobody asked for {wish}")
            wishes[wish] = wishes[wish].model_copy(update={"answer": answer, "by": by})
            self._write(wishes)
            return wishes[wish]

    def _read(self) -> dict[str, Wish]:
        try:
            return _WISHES.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise ApprovalsDamaged(
                "is damaged", where=str(self._path), remedy="Restore it from a back-up."
            ) from None

    def _write(self, wishes: dict[str, Wish]) -> None:
        write_atomically(self._path, _WISHES.dump_json(wishes, indent=1))


def _wish(opening: Opening) -> Wish:
    asked = opening.cohort
    names = tuple(sorted(part.name for part in opening.algorithms))
    content = encoded(asked, CohortRequest) + repr((opening.user, names)).encode()
    return Wish(
        id=hashlib.sha256(content).hexdigest()[:16],
        user=opening.user,
        algorithms=names,
        datasets=asked.datasets,
        variables=tuple(named.code for named in asked.used),
        filtered=asked.filter is not None,
        asked=datetime.now(UTC).isoformat(timespec="seconds"),
    )
