"""Who a scan belongs to, told under the site's key: pseudonym, dates and identifiers."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from medmip.anonymise.keyed import derived, pseudonym, shift
from medmip.anonymise.settings import Anonymisation
from medmip.anonymise.transform import patient_key
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.imaging.settings import imaging_settings
from medmip.privacy.site_key import site_key
from medmip.stewardship.applied import pseudonyms_of
from medmip.stewardship.patients import KEY
from medmip.stewardship.policy import DatasetPolicy, stated_policy
from medmip.store.snapshots import Datasets

DATES_MOVE_AT_MOST = 365
"""Days, where no policy of a dataset says how far its dates move."""


@dataclass(frozen=True)
class Identity:
    """Makes pseudonyms under the key of the patients, and moves dates by at most so many days."""

    key: bytes
    dates_move_at_most: int = DATES_MOVE_AT_MOST

    @classmethod
    def of_site(cls, site: bytes) -> "Identity":
        """As in all datasets of the site whose policies say `linkable`."""
        return cls(derived(site, "patients"))

    @classmethod
    def of_dataset(
        cls, site: bytes, settings: Anonymisation, model: str, dataset: str
    ) -> "Identity":
        """As in one dataset, by its policy: the same pseudonyms, dates moved as far.

        model is the code of the data model whose dataset the pseudonyms were first made for.
        """
        moves = {rule.shift for rule in settings.dates.values() if rule.shift is not None}
        most = min(moves) if moves else DATES_MOVE_AT_MOST
        return cls(patient_key(site, settings, model, dataset), most)

    def patient(self, code: str) -> str:
        return pseudonym(self.key, code)

    def date(self, code: str, text: str) -> str | None:
        """A date as DICOM writes it (YYYYMMDD), moved; None where it is no date."""
        try:
            day = datetime.strptime(text.strip()[:8], "%Y%m%d").replace(tzinfo=UTC)
            moved = day + timedelta(days=shift(self._dates, code, self.dates_move_at_most))
        except (ValueError, OverflowError):
            return None
        return moved.strftime("%Y%m%d")

    def uid(self, uid: str) -> str:
        """Another UID for this one, always the same (PS3.5 B.2: 2.25 and a 128-bit integer)."""
        return f"2.25.{int(pseudonym(self._uids, uid), 16)}"

    def scan(self, content: str) -> str:
        """The name that a scan of this content is kept under."""
        return pseudonym(self._scans, content)[:16]

    @cached_property
    def _dates(self) -> bytes:
        return derived(self.key, "dates")

    @cached_property
    def _uids(self) -> bytes:
        return derived(self.key, "uids")

    @cached_property
    def _scans(self) -> bytes:
        return derived(self.key, "scans")


def identity_of(home: Home, model: str | None = None, dataset: str | None = None) -> Identity:
    """By a dataset of a model, else as the home's settings for scans say.

    Raises MipError where these cannot be read, or there is no such model.
    """
    if model is None or dataset is None:
        settings = imaging_settings(home)
        model, dataset = settings.model, settings.dataset
    key = site_key(home, KEY)
    if model is None or dataset is None:
        return Identity.of_site(key)
    found = ModelStore(home).get(model)
    policy = stated_policy(home, found.key, dataset) or DatasetPolicy()
    under = pseudonyms_of(Datasets(home), found, dataset)
    return Identity.of_dataset(key, policy.anonymisation, under, dataset)
