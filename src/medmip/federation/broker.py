"""The broker's process: started, watched, made to read its configuration again, stopped."""

import os
import signal
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from medmip.catalogue.atomic_file import write_atomically
from medmip.federation.broker_configuration import BrokerSettings, BrokerUser, configuration
from medmip.federation.broker_program import BrokerProgram, UnusableBroker
from medmip.federation.hub_folder import HubFolder
from medmip.logbook import logger

READY_WITHIN = 10.0
STOPPED_WITHIN = 5.0
FIRST_WAIT = 0.2
LONGEST_WAIT = 30.0
"""Seconds before a dead broker is started again; they double while it dies at once."""
SOUND_AFTER = 60.0
"""Seconds of life after which a death counts as the first again."""
log = logger("medmip.federation.broker")


class Broker:
    """The hub's nats-server, a child of this process, which restarts it where it dies.

    Used as a context: entering starts it and waits until it takes connections.
    """

    def __init__(self, folder: HubFolder, program: BrokerProgram | None = None) -> None:
        self._folder = folder
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._changing = threading.Lock()
        self._keeper = threading.Thread(target=self._keep, name="broker", daemon=True)
        self._written = ""

    def start(self, users: Iterable[BrokerUser]) -> None:
        """Starts the server for these users; raises UnusableBroker where it does not come up."""
        program = self._program = self._program or BrokerProgram.found()
        log.info("starting", program=str(program.path), version=program.dotted)
        _end_orphan(self._folder)
        self._write(users)
        self._launch()
        self._wait_until_ready()
        self._keeper.start()

    def admit(self, users: Iterable[BrokerUser]) -> bool:
        """Lets exactly these users in from now on; others lose their connections at once.

        Tells whether that was a change. Connections of users who stay are not disturbed.
        """
        with self._changing:
            if not self._write(users):
                return False
            self._signal(signal.SIGHUP)
            return True

    def reload(self) -> None:
        """Makes the server read its configuration and certificates again."""
        with self._changing:
            self._signal(signal.SIGHUP)

    @property
    def pid(self) -> int | None:
        """The process that serves now; None between a death and the next start."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def stop(self) -> None:
        """Ends the server, gently and then not."""
        self._stopping.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
            try:
                process.wait(STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._keeper.is_alive():
            self._keeper.join()
        self._folder.broker_process.unlink(missing_ok=True)

    def __enter__(self) -> "Broker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _write(self, users: Iterable[BrokerUser]) -> bool:
        folder, settings = self._folder, self._folder.settings
        text = configuration(
            BrokerSettings(
                settings.listen,
                settings.port,
                folder.server_certificate,
                folder.server_key,
                folder.authority_certificate,
                folder.broker_process,
                clustered=folder.cluster_configuration.is_file(),
            ),
            users,
        )
        if text == self._written:
            return False
        write_atomically(folder.broker_configuration, text.encode())
        self._written = text
        return True

    def _launch(self) -> None:
        assert self._program is not None
        log_file = os.open(
            self._folder.state_home.logs / "nats-server.log",
            os.O_CREAT | os.O_WRONLY | os.O_TRUNC,
            0o600,
        )
        try:
            self._process = subprocess.Popen(  # noqa: S603  the operator chose the program
                [self._program.path, "--config", self._folder.broker_configuration],
                stdin=subprocess.DEVNULL,
                stdout=log_file,
                stderr=log_file,
                # Ctrl-C is for the hub, which then stops its broker last.
                start_new_session=True,
            )
        finally:
            os.close(log_file)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self.pid is None:
                break
            if broker_answers(self._folder):
                return
            time.sleep(0.02)
        self.stop()
        raise UnusableBroker(
            "nats-server does not come up",
            where=str(self._folder.state_home.logs / "nats-server.log"),
            remedy=f"Read its last lines; port {self._folder.settings.port} may be in use.",
        )

    def _keep(self) -> None:
        wait = FIRST_WAIT
        while not self._stopping.is_set():
            process = self._process
            assert process is not None
            begun = time.monotonic()
            code = process.wait()
            if self._stopping.is_set():
                return
            wait = FIRST_WAIT if time.monotonic() - begun > SOUND_AFTER else wait
            log.error("died", code=code, again_after=wait)
            if self._stopping.wait(wait):
                return
            wait = min(2 * wait, LONGEST_WAIT)
            with self._changing:
                if not self._stopping.is_set():
                    self._launch()

    def _signal(self, number: signal.Signals) -> None:
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(number)


def broker_answers(folder: HubFolder) -> bool:
    """Whether the hub's server is there and takes a certificate of ours."""
    context = ssl.create_default_context(cafile=folder.authority_certificate)
    context.load_cert_chain(folder.client_certificate, folder.client_key)
    local = folder.settings.local
    try:
        with (
            socket.create_connection((local.host, local.port), timeout=1) as plain,
            context.wrap_socket(plain, server_hostname=local.host) as secure,
        ):
            return secure.recv(4) == b"INFO"
    except OSError:
        return False


def _end_orphan(folder: HubFolder) -> None:
    """Ends a server that outlived a hub which was killed: it holds the port."""
    try:
        pid = int(folder.broker_process.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if str(folder.broker_configuration).encode() not in command:
        return
    log.warning("ending the broker of a hub that was killed", pid=pid)
    os.kill(pid, signal.SIGTERM)
    for _ in range(int(STOPPED_WITHIN / 0.05)):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
