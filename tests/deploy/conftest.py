"""A home with a little of everything, and an identity that reads its backups."""

from pathlib import Path

import pytest

from medmip.accounts.people import People
from medmip.accounts.role import Role
from medmip.catalogue.home import Home
from medmip.deploy.encryption import Recipient, make_identity, recipient
from medmip.experiments.experiment import State
from medmip.experiments.repository import Experiments
from medmip.experiments.request import Request
from medmip.federation.clock import now
from medmip.federation.hub_folder import HubFolder, HubSettings
from medmip.privacy.guard import Access
from medmip.privacy.ledger import Ledger
from medmip.privacy.ledger_head import LedgerHead
from medmip.store.snapshots import Datasets
from medmip.store.state import open_state
from tests.store.models import table

REQUEST = Request.model_validate(
    {
        "algorithm": "describe",
        "inputdata": {"data_model": "toy:1.0", "datasets": ["north"], "y": ["age"]},
    }
)
PASSWORD = "wind over seven bridges"


def work(home: Home, rows: int = 3, experiments: int = 2) -> None:
    """Rows of the ledger and experiments, as a server writes them."""
    engine = open_state(home)
    ledger = Ledger(engine, LedgerHead(home))
    for number in range(rows):
        access = Access("ada", f"e-{number}", "describe", "c" * 64, {"north": "f" * 64})
        ledger.record(
            access, statistic="s", verdict="released", rule="", reason="", suppressed=number
        )
    for number in range(experiments):
        Experiments(engine).add(REQUEST, f"experiment {number}", "ada", State.FAILED)
    engine.dispose()


@pytest.fixture
def full(home: Home) -> Home:
    """A home that is a hub and has experiments, people, two datasets and settings."""
    work(home)
    engine = open_state(home)
    People(engine).add("ada", [Role.RESEARCHER], password=PASSWORD)
    engine.dispose()
    datasets = Datasets(home)
    datasets.publish(table(20), "toy:1.0", "north", "n.csv")
    datasets.publish_all({"north": table(30)}, "toy:1.0", "n.csv", mapping=b"columns: {}\n")
    datasets.publish(table(25), "toy:1.0", "south", "s.csv")
    HubFolder(home).make(HubSettings(federation="Alps", host="localhost"), now())
    home.policies.mkdir(mode=0o700)
    for path, content in {
        home.policies / "default.toml": "[access]\n",
        home.policy: "minimum_patients = 12\n",
        home.configuration: '[login]\nkind = "local"\n',
        home.models / "toy_1.0.json": "{}",
        home.logs / "mip.jsonl": "{}\n",
        home.inbox / "n.csv": "a,b\n",
    }.items():
        path.write_text(content)
    return home


@pytest.fixture
def identity(tmp_path: Path) -> Path:
    """The file of a fresh identity."""
    path = tmp_path / "identity.txt"
    make_identity(path)
    return path


@pytest.fixture
def public(identity: Path) -> Recipient:
    """Its public key."""
    return recipient(text_of_public(identity))


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder for backups."""
    folder = tmp_path / "shelf"
    folder.mkdir()
    return folder


def text_of_public(identity: Path) -> str:
    """The public key that is written beside a secret one."""
    return identity.read_text().splitlines()[0].removeprefix("# public key: ")
