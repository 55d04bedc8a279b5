"""`mip serve`, `mip demo` and `mip doctor`: the running platform."""

import fcntl
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, opened
from medmip.errors import Conflict, MipError

if TYPE_CHECKING:
    from medmip.catalogue.home import Home

PORT = 8080
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="The port of the portal.")]


def serve(
    port: PortOption = PORT,
    host: Annotated[str, typer.Option(help="Only loopback until there is a log-in.")] = "127.0.0.1",
    home: HomeOption = None,
) -> None:
    """Serve the portal and the API."""
    _serve(opened(home), host, port)


def demo(port: PortOption = PORT, home: HomeOption = None) -> None:
    """Serve the portal on synthetic data, which the first start prepares."""
    place = opened(home or Path(".home/demo"))
    _check_port("127.0.0.1", port)
    _prepare_demo(place)
    _serve(place, "127.0.0.1", port)


def doctor(home: HomeOption = None) -> None:
    """Check the installation; exit 1 where something is wrong."""
    import platform

    place = opened(home)
    free = shutil.disk_usage(place.path).free / 1e9
    checks = [
        ("Python", sys.version_info >= (3, 11), platform.python_version()),
        ("home folder", os.access(place.path, os.W_OK), str(place.path)),
        ("disk", free > 1, f"{free:.1f} GB free"),
        *_check_snapshots(place),
        _check_ledger(place),
        _check_policy(place),
        _check_portal(),
    ]
    for name, sound, detail in checks:
        typer.echo(f"{'ok  ' if sound else 'FAIL'}  {name}: {detail}")
    if not all(sound for _, sound, _ in checks):
        raise typer.Exit(1)


def _check_snapshots(place: "Home") -> list[tuple[str, bool, str]]:
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


def _check_ledger(place: "Home") -> tuple[str, bool, str]:
    from medmip.privacy.ledger import Ledger
    from medmip.privacy.ledger_head import LedgerHead
    from medmip.store.state import open_state

    ledger = Ledger(open_state(place), LedgerHead(place))
    broken = ledger.verify()
    detail = f"{ledger.count()} rows" if broken is None else f"changed at row {broken}"
    return "ledger", broken is None, detail


def _check_policy(place: "Home") -> tuple[str, bool, str]:
    from medmip.privacy.policy import site_policy

    try:
        policy = site_policy(place)
    except MipError as error:
        return "policy", False, str(error)
    return "policy", True, f"at least {policy.minimum_patients} patients"


def _check_portal() -> tuple[str, bool, str]:
    from medmip.web.application import portal_folder

    built = (portal_folder() / "index.html").is_file()
    return "portal", built, "built" if built else "not built; run `make portal`"


def _serve(place: "Home", host: str, port: int) -> None:
    import uvicorn

    from medmip.experiments.service import ExperimentService
    from medmip.logbook import write_log_to
    from medmip.web.application import LOOPBACK, create_app

    if host not in LOOPBACK:
        raise Conflict(
            f"MIP has no log-in yet, so it does not listen on {host}",
            remedy="Leave out --host, and reach it through an SSH tunnel.",
        )
    _check_port(host, port)
    with _only_server(place):
        write_log_to(place.logs / "mip.jsonl")
        app = create_app(ExperimentService(place))
        typer.echo(
            f"MIP is at http://{'[::1]' if host == '::1' else host}:{port}/ (Ctrl-C stops it)"
        )
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=3,
        )


def _check_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise Conflict(
                f"Port {port} cannot be used: {error.strerror}",
                remedy=f"Choose another, such as --port {port % 65535 + 1}.",
            ) from None


@contextmanager
def _only_server(place: "Home") -> Iterator[None]:
    """Holds the home for one server, which alone takes up its queue."""
    with (place.path / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Conflict(
                f"Another `mip serve` runs on {place.path}",
                remedy="Stop it, or choose another folder with --home.",
            ) from None
        yield


def _prepare_demo(place: "Home") -> None:
    from medmip.store.snapshots import Datasets

    published = {snapshot.model for snapshot in Datasets(place).list()}

    from medmip.demo import cohorts, follow_up

    absent = {cohorts.MODEL, follow_up.MODEL} - published
    if not absent:
        return
    from rich.console import Console

    from medmip.catalogue.model_store import shipped_models
    from medmip.ingest.publish import bring_in

    console = Console()
    models = {model.key: model for model in shipped_models()}
    with console.status("Generating synthetic cohorts …"), tempfile.TemporaryDirectory() as folder:
        made = cohorts.synthetic_cohorts() if cohorts.MODEL in absent else ()
        if follow_up.MODEL in absent:
            made = (*made, follow_up.follow_up_cohort())
        for cohort in made:
            path = cohort.write(Path(folder))
            console.print(f"importing {path.name}")
            for snapshot in bring_in(place, path, models[cohort.model], synthetic=True).snapshots:
                console.print(
                    f"published {snapshot.dataset}: {snapshot.patients} synthetic patients"
                )
