"""A real server on synthetic data, and a real browser."""

import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from medmip.catalogue.home import Home
from tests.conftest import ROOT, missing
from tests.ports import free_port

ARTEFACTS = ROOT / ".artefacts"
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one hospital's demonstration, started for these tests on a free port."""
    with served("demo --alone", tmp_path_factory.mktemp("demo")) as found:
        yield found


@contextmanager
def served(command: str, folder: Path) -> Iterator[str]:
    """The address of `mip serve` or `mip demo` on a free port, with its home in a folder."""
    Home(folder / "home").prepare().configuration.write_text('[login]\nkind = "open"\n')
    with running(f"{command} --home {folder / 'home'}", folder / "output.txt") as found:
        yield found


@contextmanager
def running(command: str, log: Path) -> Iterator[str]:
    """The address of a command's portal on a free port; what it prints goes to a file."""
    if not (ROOT / "src/medmip/web/static/index.html").is_file():
        missing("the portal is not built (make portal)")
    port = free_port()
    program = str(Path(sys.executable).with_name("mip"))
    with log.open("w") as output:
        server = subprocess.Popen(
            [program, *command.split(), "--port", str(port)],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    found = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            if server.poll() is not None:
                pytest.fail(f"mip {command} stopped: {log.read_text()}")
            try:
                urllib.request.urlopen(f"{found}/readyz", timeout=1)
                break
            except OSError:
                time.sleep(0.2)
        else:
            pytest.fail(f"mip {command} did not get ready within two minutes")
        yield found
    finally:
        server.terminate()
        server.wait(timeout=20)


@pytest.fixture(scope="module")
def browser(need: Callable[..., str]) -> Iterator[Browser]:
    """Debian's Chromium without a screen.

    One for each module: Playwright's loop counts as running for as long as it is open, and no
    later test in the process could run a loop of its own.
    """
    program = need("chromium", "chromium-browser", "google-chrome")
    flags = [
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    if os.geteuid() == 0:
        flags.append("--no-sandbox")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=flags)
        yield started
        started.close()


@pytest.fixture(params=[(1280, 800), (1920, 1080)], ids=["1280", "1920"])
def page(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    """A fresh page; errors in its console, broken policies included, fail the test."""
    width, height = request.param
    context = browser.new_context(viewport={"width": width, "height": height})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on("console", lambda line: errors.append(line.text) if _is_fault(line) else None)
    yield opened
    context.close()
    assert errors == []


def _is_fault(line: ConsoleMessage) -> bool:
    """Whether a line of the console is an error of the page; a refused request is an answer."""
    return line.type == "error" and not line.text.startswith("Failed to load resource")


@pytest.fixture
def picture(page: Page, request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Keeps a screenshot among the artefacts."""

    def take(name: str) -> None:
        ARTEFACTS.mkdir(exist_ok=True)
        width = (page.viewport_size or {"width": 0})["width"]
        page.screenshot(path=ARTEFACTS / f"{name}-{width}.png")

    return take
