"""A home whose `mip.toml` names a hospital's own database."""

import pytest

from medmip.catalogue.model_store import ModelStore
from tests.ingest.files import WARD
from tests.ldsm.conftest import VISITS


@pytest.fixture
def clinic(clinics):
    return clinics("bundled")


@pytest.fixture(params=["bundled", "system"])
def either(clinics, request):
    """One server after the other, of different versions."""
    return clinics(request.param)


@pytest.fixture
def ward(home):
    """A home with the ward's models, whose patients' codes stay so that rows can be compared."""
    home.policies.mkdir()
    (home.policies / "default.toml").write_text(
        '[anonymisation]\npatient_codes = "keep"\nidentifiers = "ignore"\n'
    )
    for model in (WARD, VISITS):
        ModelStore(home).add(model)
    return home
