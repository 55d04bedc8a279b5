"""A hub as its operator runs it, `mip serve`: started, killed at once, started again."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

from medmip.catalogue.home import Home
from tests.ports import free_port


class HubProcess:
    """The hub of a home, with its portal's API; anybody may log in."""

    def __init__(self, home: Home) -> None:
        self.home = home
        home.configuration.write_text('[login]\nkind = "open"\n')
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, within: float = 90.0) -> None:
        program = Path(sys.executable).with_name("mip")
        told = [str(program), "serve", "--home", str(self.home.path), "--port", str(self._port)]
        self._process = subprocess.Popen(told, stdout=subprocess.DEVNULL)
        until = time.monotonic() + within
        while True:
            try:
                self.get("/readyz", raw=True)
                return
            except OSError:
                assert self._process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.1)

    def kill(self) -> None:
        """Ends it as a power cut would; its broker is left behind."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait(10)

    def stop(self) -> None:
        self.kill()
        broker = self.home.path / "hub" / "nats-server.pid"
        if broker.exists():
            os.kill(int(broker.read_text()), signal.SIGKILL)

    def get(self, path: str, *, raw: bool = False) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
            content = answer.read()
        return content if raw else json.loads(content)

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read())
