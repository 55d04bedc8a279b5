"""`mip doctor`: what is sound here and what is not, down to the road to the hub."""

import asyncio
import os
import shutil
import sys
from typing import TYPE_CHECKING

import typer

from medmip.cli.options import HomeOption, opened
from medmip.errors import MipError

if TYPE_CHECKING:
    from medmip.catalogue.home import Home

Check = tuple[str, bool, str]


def doctor(home: HomeOption = None) -> None:
    """Check the installation, and a site's road to its hub; exit 1 where something is wrong."""
    import platform

    place = opened(home)
    free = shutil.disk_usage(place.path).free / 1e9
    checks = [
        ("Python", sys.version_info >= (3, 11), platform.python_version()),
        ("home folder", os.access(place.path, os.W_OK), str(place.path)),
        ("disk", free > 1, f"{free:.1f} GB free"),
        _check_models(place),
        *_check_snapshots(place),
        *_check_sources(place),
        *_check_placed(place),
        *_check_cluster(place),
        _check_ledger(place),
        _check_policy(place),
        _check_portal(),
        *_check_notices(place),
        *_check_hub(place),
    ]
    for check in checks:
        _tell(*check)
    sound = all(sound for _, sound, _ in checks)
    if not (asyncio.run(_walk(place)) and sound):
        raise typer.Exit(1)


def _tell(name: str, sound: bool, detail: str) -> None:
    typer.echo(f"{'ok  ' if sound else 'FAIL'}  {name}: {detail}")


async def _walk(place: "Home") -> bool:
    """The road to the hub, each step told as it is walked; true where all are sound."""
    from medmip.federation.road import walk
    from medmip.federation.site_folder import SiteFolder

    folder = SiteFolder(place)
    if not folder.is_whole:
        return True
    membership = folder.membership
    typer.echo(f"The road from {membership.name} to the hub of {membership.federation!r}:")
    sound = True
    async for step in walk(folder):
        _tell(step.name, step.sound, step.found)
        sound &= step.sound
        if step.ask:
            typer.echo(f"      Ask the network team: {step.ask}")
    return sound


def _check_hub(place: "Home") -> list[Check]:
    from medmip.federation.broker import broker_answers
    from medmip.federation.broker_program import BrokerProgram
    from medmip.federation.hub_folder import HubFolder

    folder = HubFolder(place)
    if not folder.is_whole:
        return []
    found: list[Check] = []
    try:
        program = BrokerProgram.found()
    except MipError as error:
        found.append(("nats-server", False, str(error)))
    else:
        found.append(("nats-server", True, f"{program.dotted}, {program.path}"))
    answers, address = broker_answers(folder), folder.settings.local
    word = "answers" if answers else "does not answer; start it with `mip serve`"
    found.append(("hub", answers, f"the broker at {address} {word}"))
    return found


def _check_models(place: "Home") -> Check:
    from medmip.catalogue.model_store import ModelStore

    try:
        models = ModelStore(place).list()
    except MipError as error:
        return "data models", False, str(error)
    return "data models", bool(models), ", ".join(model.key for model in models) or "none"


def _check_snapshots(place: "Home") -> list[Check]:
    from medmip.store.snapshots import Datasets

    datasets = Datasets(place)
    found = []
    for snapshot in datasets.list():
        name = f"dataset {snapshot.model} {snapshot.dataset}"
        try:
            datasets.verify(snapshot)
        except MipError as error:
            found.append((name, False, str(error)))
        else:
            found.append((name, True, f"version {snapshot.version}, {snapshot.records} records"))
    return found


def _check_sources(place: "Home") -> list[Check]:
    from medmip.sources.publishing import readable
    from medmip.store.sources import sources

    try:
        named = sources(place)
    except MipError as error:
        return [("sources", False, str(error))]
    found = []
    for source in named.values():
        try:
            tables = readable(place, source)
        except MipError as error:
            found.append((f"source {source.name}", False, str(error)))
        else:
            found.append((f"source {source.name}", True, f"{', '.join(tables)} may be read"))
    return found


def _check_placed(place: "Home") -> list[Check]:
    from medmip.store.placed import Placed, registers
    from medmip.store.postgres_engine import PostgresEngine
    from medmip.store.sources import source

    datasets, found = registers(place), []
    engine = PostgresEngine(lambda name: source(place, name).address())
    for register in datasets.list():
        name = f"dataset {register.model} {register.dataset}"
        try:
            datasets.verify(register)
            placed = Placed.of(register)
            with engine.unchanged(placed):
                detail = f"version {placed.version} in {placed.there.source}, as it was"
        except MipError as error:
            found.append((name, False, str(error)))
        else:
            found.append((name, True, detail))
    return found


def _check_cluster(place: "Home") -> list[Check]:
    from medmip.federation.dask_cluster import cluster_of

    try:
        cluster = cluster_of(place)
        if cluster is None:
            return []
        try:
            workers, wrong = cluster.check()
        finally:
            cluster.close()
    except MipError as error:
        return [("cluster", False, str(error))]
    found = f"workers: {len(workers)}"
    return [
        ("cluster", not wrong, "; ".join(wrong) or f"{found}, with this version and the partitions")
    ]


def _check_ledger(place: "Home") -> Check:
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    ledger = Ledger(open_state(place), LedgerHead(place))
    broken = ledger.verify()
    detail = f"{ledger.count()} rows" if broken is None else f"changed at row {broken}"
    return "ledger", broken is None, detail


def _check_policy(place: "Home") -> Check:
    from medmip.privacy.policy import site_policy

    try:
        policy = site_policy(place)
    except MipError as error:
        return "policy", False, str(error)
    return "policy", True, f"at least {policy.minimum_patients} patients"


def _check_notices(place: "Home") -> list[Check]:
    from medmip.notices.queue import Queue
    from medmip.notices.settings import notice_settings
    from medmip.store.state import open_state

    try:
        ways = notice_settings(place).channels
    except MipError as error:
        return [("notices", False, str(error))]
    if not ways:
        return []
    queue = Queue(open_state(place))
    counts, troubled = queue.counts(), queue.troubled()
    told = ", ".join(f"{number} {state}" for state, number in counts.items())
    wrong = "".join(f"; {name}: {why}" for name, why in troubled.items() if name in ways)
    return [("notices", not wrong, f"by {', '.join(ways)}: {told}{wrong}")]


def _check_portal() -> Check:
    from medmip.web.application import portal_folder

    built = (portal_folder() / "index.html").is_file()
    return "portal", built, "built" if built else "not built; run `make portal`"
