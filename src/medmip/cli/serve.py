"""`mip serve`: the running platform."""

import fcntl
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from medmip.cli.options import HomeOption, opened
from medmip.errors import Conflict

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from medmip.catalogue.home import Home
    from medmip.experiments.service import ExperimentService
    from medmip.federation.sites import Sites
    from medmip.privacy.ledger import Ledger

PORT = 8080
PortOption = Annotated[int, typer.Option(min=1, max=65535, help="The port of the portal.")]


def serve(
    port: PortOption = PORT,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    name: Annotated[
        list[str] | None, typer.Option(help="A host name that the portal is reached by; repeat.")
    ] = None,
    force_open: Annotated[
        bool, typer.Option("--force-open", help="Listen beyond loopback even without log-in.")
    ] = False,
    home: HomeOption = None,
) -> None:
    """Serve the portal and the API."""
    serve_home(opened(home), host, port, names=name or (), force_open=force_open)


def serve_home(
    place: "Home", host: str, port: int, *, names: Sequence[str] = (), force_open: bool = False
) -> None:
    """Serves a home's portal and API, and runs what its roles in a federation ask for."""
    import uvicorn
    from prometheus_client import CollectorRegistry

    from medmip.accounts.doorman import doorman_of
    from medmip.catalogue.own_folder import clear_abandoned
    from medmip.deploy.monitoring import BackupCollector, newest_backup
    from medmip.experiments.service import ExperimentService
    from medmip.logbook import write_log_to
    from medmip.web.application import LOOPBACK, create_app

    doorman = doorman_of(place)
    if doorman.open and host not in LOOPBACK and not force_open:
        raise Conflict(
            f'Log-in is off (`kind = "open"` in {place.configuration.name}), '
            f"so MIP does not listen on {host}",
            remedy="Choose `local` or `oidc`, or leave out --host and use an SSH tunnel.",
        )
    if doorman.settings.kind == "local" and not doorman.people.everybody():
        typer.echo("Nobody has an account yet: mip user add NAME --role administrator")
    check_port(host, port)
    stop_softly()
    with ExitStack() as stack:
        stack.enter_context(only_server(place))
        # What a killed process left holds patients' values.
        clear_abandoned(place.work)
        write_log_to(place.logs / "mip.jsonl")
        metrics = CollectorRegistry()
        service = ExperimentService(place, sites=_sites(place, stack, metrics))
        metrics.register(BackupCollector(place))
        _serve_hub(place, service, stack, metrics)
        stack.enter_context(published_to_database(place, service.ledger))
        _serve_notices(place, service, stack)
        app = create_app(
            service,
            doorman,
            hosts=(*LOOPBACK, *names),
            metrics=metrics,
            backups=partial(newest_backup, place),
        )
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


def _sites(place: "Home", stack: ExitStack, metrics: "CollectorRegistry") -> "Sites | None":
    """The sites of the federation whose hub this home is; None where it is none."""
    from medmip.federation.hub_folder import HubFolder

    folder = HubFolder(place)
    if not folder.is_whole:
        return None

    from medmip.catalogue.model_store import ModelStore
    from medmip.federation.background import Background
    from medmip.federation.common_policy import read_common
    from medmip.federation.coordinator import Coordinator
    from medmip.federation.hub_service import HubService
    from medmip.federation.membership import Membership
    from medmip.federation.metrics import HubCollector
    from medmip.federation.sites import Sites, directory_of
    from medmip.notices.outbox import Outbox
    from medmip.store.state import open_state

    settings, state = folder.settings, open_state(place)
    membership = Membership(state)
    coordinator = Coordinator(settings.federation, lambda: directory_of(membership))
    outbox = Outbox.of(place, state)
    stack.enter_context(Background(HubService(folder, state, coordinator.begin, outbox=outbox)))
    typer.echo(f"The hub of {settings.federation!r} is at {settings.address}")
    sites = Sites(coordinator, ModelStore(place), lambda: read_common(folder.policy))
    metrics.register(HubCollector(sites, membership))
    return sites


def _serve_hub(
    place: "Home",
    service: "ExperimentService",
    stack: ExitStack,
    metrics: "CollectorRegistry",
) -> None:
    """Lets the agent answer the hub, where this home is a site of a federation."""
    from medmip.federation.site_folder import SiteFolder

    folder = SiteFolder(place)
    if not folder.is_whole:
        return

    from medmip.federation.background import Background
    from medmip.federation.metrics import SiteCollector
    from medmip.federation.site_service import SiteService

    agent = SiteService(folder, service.house())
    stack.enter_context(Background(agent))
    metrics.register(SiteCollector(agent))
    joined = folder.membership
    typer.echo(f"{joined.name} serves the federation {joined.federation!r} at {joined.address}")


def _serve_notices(place: "Home", service: "ExperimentService", stack: ExitStack) -> None:
    """Sends notices, where the home names somebody to be told."""
    settings = service.outbox.settings
    if not settings.channels:
        return

    from medmip.deploy.watch import Watch
    from medmip.notices.queue import Queue
    from medmip.notices.sender import Sender

    watch = Watch(place, service.outbox, service.sites)
    stack.enter_context(Sender(place, Queue(service.outbox.state), settings, watch.look))
    typer.echo(f"Notices are sent by {', '.join(settings.channels)}")


@contextmanager
def published_to_database(
    place: "Home", ledger: "Ledger", *, quiet: bool = False
) -> Iterator[None]:
    """Keeps the PostgreSQL of published data up to date, where the home names one."""
    from medmip.ldsm.settings import ldsm_settings

    settings = ldsm_settings(place)
    if settings is None:
        yield
        return

    from medmip.accounts.doorman import doorman_of
    from medmip.ldsm.keeper import Keeper

    with Keeper(place, settings, doorman_of(place), ledger):
        if not quiet:
            typer.echo("Published data are copied into PostgreSQL, schema ldsm")
        yield


def check_port(host: str, port: int) -> None:
    """Raises Conflict where the port is taken."""
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


def stop_softly() -> None:
    """Lets a request to terminate, as of a service manager, end this process by its own means.

    Else a hub's broker would outlive it, and a site would be missed instead of going.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@contextmanager
def only_server(place: "Home") -> Iterator[None]:
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
