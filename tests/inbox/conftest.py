"""A home with a desk that watches its inbox."""

import time

import pytest

from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.inbox.desk import Desk
from medmip.inbox.item import ItemState
from tests.ingest.files import WARD

MOVING = (ItemState.ARRIVING, ItemState.LOOKING, ItemState.PUBLISHING)
COUNT = 40


def rows(number=COUNT, first=0, remark=None):
    """A clean file of the ward's model, of so many patients."""
    lines = ["subjectcode,dataset,age,volume,gender"]
    lines += [
        f"p{index},ward,{20 + index % 60},{index % 50}.5,{'FM'[index % 2]}"
        for index in range(first, first + number)
    ]
    return "\n".join([*lines, ""])


def settled(desk, name, seconds=20.0):
    """The item once nothing is being done with it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = {item.name: item for item in desk.items()}.get(name)
        if found is not None and found.state not in MOVING:
            return found
        time.sleep(0.02)
    pytest.fail(f"{name} is still {found.state if found else 'unknown'}")


def until(condition, seconds=20.0):
    """Waits until something holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def allow(home, dataset="ward", more=""):
    """States a policy by which clean files are published without a click."""
    file = home.dataset_policy(WARD.key, dataset)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"[publication]\nautomatic = true\n{more}")


@pytest.fixture
def home(tmp_path):
    place = Home(tmp_path / "home").prepare()
    ModelStore(place).add(WARD)
    return place


@pytest.fixture
def desk(home):
    with Desk(home) as opened:
        yield opened
