"""`mip demo`: a federation of three hospitals on this machine, on synthetic data."""

import multiprocessing
import socket
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.catalogue.atomic_file import write_atomically
from medmip.cli.options import HomeOption, opened
from medmip.cli.serve import PORT, PortOption, check_port, serve_home

if TYPE_CHECKING:
    from medmip.catalogue.home import Home

FEDERATION = "Demonstration"
_CLUSTER = b'[engine]\nkind = "dask"\nworkers = 1\npartition_records = 250\n'
"""Each hospital's own, so small that its few records are divided all the same."""
_OPEN = b'[login]\nkind = "open"\n'
"""The demonstration asks nobody who they are."""
_BY_SQL = b'[ldsm]\ndatabase = "embedded"\n'
_SHOWN_SEARCHES = b"steering_in_clear = true\n"
"""Invented patients have nothing to hide: quantiles of one hospital alone may be searched for."""
_SOON = 30.0
"""Seconds within which a hospital that is told to stop has stopped."""


class EngineKind(StrEnum):
    """The engines that fold published records."""

    DUCKDB = "duckdb"
    DASK = "dask"


@dataclass(frozen=True)
class Hospital:
    """One hospital of the demonstration; folder is its home, below the hub's."""

    folder: str
    name: str
    datasets: tuple[str, ...]


HOSPITALS = (
    Hospital("north", "North Hospital", ("edsd-synthetic",)),
    Hospital("lakeside", "Lakeside Hospital", ("ppmi-synthetic",)),
    Hospital("valley", "Valley Memory Clinic", ("adni-synthetic", "memoryclinic-synthetic")),
)
READ_BY_SQL = HOSPITALS[0]
"""The hospital whose records data managers may ask with psql, R and BI tools."""
DATASETS = tuple(dataset for hospital in HOSPITALS for dataset in hospital.datasets)


def demo(
    port: PortOption = PORT,
    home: HomeOption = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="One hospital in one process, without a federation.")
    ] = False,
    engine: Annotated[
        EngineKind, typer.Option(help="What folds records: this process, or a cluster.")
    ] = EngineKind.DUCKDB,
) -> None:
    """Serve the portal on synthetic data of three hospitals, which the first start prepares."""
    place = opened(home or Path(".home/demo"))
    check_port("127.0.0.1", port)
    folding = _CLUSTER if engine is EngineKind.DASK else b""
    if alone:
        _configure(place, _OPEN + _BY_SQL + folding)
        _check_engine(place, engine)
        prepare_demo(place)
        serve_home(place, "127.0.0.1", port)
        return
    _configure(place, _OPEN)
    homes = [opened(place.path / "hospitals" / hospital.folder) for hospital in HOSPITALS]
    for hospital, own in zip(HOSPITALS, homes, strict=True):
        _configure(own, _OPEN + (_BY_SQL if hospital is READ_BY_SQL else b"") + folding)
        _check_engine(own, engine)
        prepare_demo(own, hospital.datasets)
        if not own.policy.exists():
            write_atomically(own.policy, _SHOWN_SEARCHES)
    _federate(place, homes)
    with ExitStack() as stack:
        # Processes are begun before this one has threads or connections that they would inherit.
        stack.enter_context(_hospitals(homes))
        typer.echo(
            f"To ask {READ_BY_SQL.name}'s records by SQL: mip ldsm add-reader NAME "
            f"--home {homes[HOSPITALS.index(READ_BY_SQL)].path}"
        )
        serve_home(place, "127.0.0.1", port)


def prepare_demo(place: "Home", datasets: Collection[str] = DATASETS) -> None:
    """Publishes those of these synthetic datasets that are not there yet."""
    from medmip.store.snapshots import Datasets

    absent = set(datasets) - {snapshot.dataset for snapshot in Datasets(place).list()}
    if not absent:
        return
    from rich.console import Console

    from medmip.catalogue.model_store import shipped_models
    from medmip.demo.cohorts import synthetic_cohorts
    from medmip.demo.follow_up import follow_up_cohort
    from medmip.ingest.publish import bring_in

    console = Console()
    models = {model.key: model for model in shipped_models()}
    with console.status("Generating synthetic cohorts …"), tempfile.TemporaryDirectory() as folder:
        for cohort in (*synthetic_cohorts(), follow_up_cohort()):
            if cohort.dataset not in absent:
                continue
            path = cohort.write(Path(folder))
            console.print(f"importing {path.name}")
            for snapshot in bring_in(place, path, models[cohort.model], synthetic=True).snapshots:
                console.print(
                    f"published {snapshot.dataset}: {snapshot.patients} synthetic patients"
                )


def _configure(place: "Home", text: bytes) -> None:
    """Configures a home of the demonstration, unless it is configured already."""
    if not place.configuration.exists():
        write_atomically(place.configuration, text)


def _check_engine(place: "Home", engine: EngineKind) -> None:
    """Ends where a home was made with another engine."""
    from medmip.store.engine_settings import engine_settings

    found = engine_settings(place).kind
    if found != engine:
        typer.echo(
            f"{place.path} is configured with the engine {found}. Choose another home, or change "
            f"[engine] in {place.configuration}.",
            err=True,
        )
        raise typer.Exit(1)


def _federate(place: "Home", homes: "list[Home]") -> None:
    """Makes this home a hub and lets the hospitals join, as their administrators would."""
    from medmip.federation.hub_folder import HubFolder, HubSettings
    from medmip.federation.site_folder import SiteFolder

    folder = HubFolder(place)
    absent = [
        (hospital, SiteFolder(home))
        for hospital, home in zip(HOSPITALS, homes, strict=True)
        if not SiteFolder(home).is_whole
    ]
    if folder.is_whole and not absent:
        return

    import asyncio

    from rich.console import Console

    from medmip.federation.admission import open_invitation
    from medmip.federation.background import Background
    from medmip.federation.clock import now
    from medmip.federation.enrolment import decided, enrol
    from medmip.federation.hub_service import HubService
    from medmip.federation.membership import Membership
    from medmip.store.state import open_state

    if not folder.is_whole:
        settings = HubSettings(
            federation=FEDERATION, host="localhost", port=_free_port(), listen="127.0.0.1"
        )
        folder.make(settings, now())
    state = open_state(place)
    membership = Membership(state)
    console = Console()
    with Background(HubService(folder, state)):
        for hospital, site in absent:
            invitation = open_invitation(folder, membership, hospital.name, now())
            joined = asyncio.run(enrol(site, invitation, now()))
            membership.approve(joined.node, now())
            asyncio.run(decided(site))
            console.print(f"{hospital.name} has joined the federation")
    state.dispose()


@contextmanager
def _hospitals(homes: "list[Home]") -> Iterator[None]:
    """The hospitals' own processes, which end with this one.

    They are forked from a server that has loaded the software once, so that three of them start
    in little more than the time of one.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["medmip.cli.demo_site"])

    from medmip.cli.demo_site import serve_site

    processes = [context.Process(target=serve_site, args=(str(home.path),)) for home in homes]
    for process in processes:
        process.start()
    try:
        for hospital, process in zip(HOSPITALS, processes, strict=True):
            typer.echo(f"{hospital.name} is process {process.pid}")
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(_SOON)
            if process.is_alive():
                process.kill()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
