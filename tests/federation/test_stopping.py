"""A node that is told to stop leaves nothing running behind it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from medmip.catalogue.home import Home
from medmip.federation.broker_program import BrokerProgram, UnusableBroker
from medmip.federation.clock import now
from medmip.federation.hub_folder import HubFolder, HubSettings
from tests.conftest import missing
from tests.ports import free_port


def answers(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_hub_that_is_told_to_stop_takes_its_broker_along(tmp_path: Path) -> None:
    try:
        BrokerProgram.found()
    except UnusableBroker as error:
        missing(error.what)
    folder = HubFolder(Home(tmp_path / "hub").prepare())
    settings = HubSettings(
        federation="test", host="127.0.0.1", port=free_port(), listen="127.0.0.1"
    )
    folder.make(settings, now())
    port = free_port()
    command = ["serve", "--home", str(tmp_path / "hub"), "--port", str(port)]
    hub = subprocess.Popen(
        [Path(sys.executable).parent / "mip", *command], stdout=subprocess.DEVNULL
    )
    try:
        until = time.monotonic() + 120
        while not answers(port):
            assert hub.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        broker = int(folder.broker_process.read_text())
        assert runs(broker)
        hub.send_signal(signal.SIGTERM)
        hub.wait(60)
        assert not runs(broker)
    finally:
        hub.kill()
        hub.wait(10)
