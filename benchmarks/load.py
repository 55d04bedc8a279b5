"""`make bench-load`: people exploring and running at once, written to benchmarks/load.md."""

import argparse
import asyncio
import os
import platform
import random
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from medmip.catalogue.home import Home

RESULTS = Path(__file__).parent / "load.md"
MODEL = "dementia:1.0"
DATASETS = ["edsd-synthetic", "ppmi-synthetic"]
NUMERIC = ["lefthippocampus", "righthippocampus", "leftamygdala", "rightamygdala"]
LIMIT = 300.0
"""Milliseconds within which 95 of 100 calls of people who explore are to be answered."""
READY = 120.0
ENDED = ("done", "failed", "refused", "cancelled")
INTRODUCTION = (
    "# Many people at once\n\n"
    "People who explore look, one after another, at a model's tree, datasets, words that they "
    "search for, distributions and counts, and read for {pause[0]:g} to {pause[1]:g} seconds "
    "between. "
    "People who run ask for a linear regression, wait for its end, and ask again. The server, "
    "`mip demo --alone`, and all the people share one machine. Memory is what the server's "
    "processes hold of their own, at the beginning and the end of the time that was measured. "
    "Python {python}, {processors} processors, load {load:.1f} before anybody came: whatever else "
    "ran on the machine then slows these figures.\n\n"
)


@dataclass
class Seen:
    """What was measured: milliseconds by kind of call, faults by what they said, runs by state.

    memory is in MB, second by second; processor is the seconds that the server computed.
    """

    times: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    faults: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    runs: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    memory: list[float] = field(default_factory=list)
    processor: float = 0.0
    counting: bool = False


class Visitor:
    """One person's browser."""

    def __init__(self, client: httpx.AsyncClient, seen: Seen, seed: int) -> None:
        self._client = client
        self._seen = seen
        self._random = random.Random(seed)

    async def call(self, kind: str, method: str, path: str, body: Any = None) -> Any:
        """What the API answers, None where it fails; counted once people have settled."""
        began = time.perf_counter()
        try:
            answer = await self._client.request(method, f"/api/v1{path}", json=body)
        except httpx.HTTPError as error:
            self._seen.faults[f"{kind}: {type(error).__name__}"] += 1
            return None
        if self._seen.counting:
            self._seen.times[kind].append(1000 * (time.perf_counter() - began))
        if answer.is_error:
            self._seen.faults[f"{kind}: {answer.status_code}"] += 1
            return None
        return answer.json()

    async def explore(self, pause: tuple[float, float]) -> None:
        """Looks around until it is cancelled."""
        await asyncio.sleep(self._random.uniform(0, pause[1]))
        while True:
            data = {"data_model": MODEL, "datasets": DATASETS}
            variable, group = self._random.choice(NUMERIC), self._random.choice([None, "gender"])
            looks = (
                ("model", "GET", f"/models/{MODEL}", None),
                ("datasets", "GET", "/datasets", None),
                ("search", "GET", f"/variables?search={variable[:7]}", None),
                (
                    "histogram",
                    "POST",
                    "/explore/histogram",
                    data | {"variable": variable, "group_by": group},
                ),
                ("description", "POST", "/explore/describe", data | {"variables": [variable]}),
                ("count", "POST", "/explore/count", data),
            )
            await self.call(*self._random.choice(looks))
            await asyncio.sleep(self._random.uniform(*pause))

    async def run(self) -> None:
        """Runs one analysis after another until it is cancelled."""
        while True:
            request = {
                "algorithm": "linear_regression",
                "name": "load",
                "inputdata": {
                    "data_model": MODEL,
                    "datasets": DATASETS,
                    "y": [self._random.choice(NUMERIC)],
                    "x": ["subjectageyears", "gender"],
                },
            }
            began = time.perf_counter()
            experiment = await self.call("create a run", "POST", "/experiments", request)
            while experiment is not None and experiment["state"] not in ENDED:
                await asyncio.sleep(0.5)
                path = f"/experiments/{experiment['id']}"
                experiment = await self.call("look at a run", "GET", path)
            if experiment is not None and self._seen.counting:
                self._seen.runs[experiment["state"]] += 1
                self._seen.times["whole run"].append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(1)


def held(server: psutil.Process) -> float:
    """MB that a server and its processes hold and share with none."""
    total = 0
    for process in (server, *server.children(recursive=True)):
        try:
            total += process.memory_full_info().uss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20


def computed(server: psutil.Process) -> float:
    """Seconds that a server's process has computed."""
    times = server.cpu_times()
    return float(times.user + times.system)


async def crowd(address: str, server: psutil.Process, asked: argparse.Namespace) -> Seen:
    """Lets people in, gives them time to settle, and measures them."""
    seen = Seen()
    pause = tuple(asked.pause)
    limits = httpx.Limits(max_connections=None, keepalive_expiry=1)
    async with httpx.AsyncClient(base_url=address, timeout=60, limits=limits) as client:
        visitors = [Visitor(client, seen, seed) for seed in range(asked.exploring + asked.running)]
        tasks = [asyncio.create_task(one.explore(pause)) for one in visitors[: asked.exploring]]
        tasks += [asyncio.create_task(one.run()) for one in visitors[asked.exploring :]]
        await asyncio.sleep(asked.settle)
        seen.counting = True
        before = computed(server)
        for _ in range(asked.seconds):
            seen.memory.append(held(server))
            await asyncio.sleep(1)
        seen.counting = False
        seen.processor = computed(server) - before
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        broken = [one for one in outcomes if not isinstance(one, asyncio.CancelledError)]
        if broken:
            raise RuntimeError(f"{len(broken)} visitors broke off: {broken[0]!r}")
    return seen


def table(seen: Seen, asked: argparse.Namespace) -> str:
    """What was measured, as Markdown."""
    lines = ["| call | calls | median, ms | p95, ms | longest, ms |", "|---|---|---|---|---|"]
    for kind, times in sorted({**seen.times, "all of exploring": exploring(seen)}.items()):
        middle, high = np.percentile(times, [50, 95])
        lines.append(f"| {kind} | {len(times):,} | {middle:.0f} | {high:.0f} | {max(times):.0f} |")
    tenth = max(1, len(seen.memory) // 10)
    first, last = np.median(seen.memory[:tenth]), np.median(seen.memory[-tenth:])
    reached = np.percentile(exploring(seen), 95)
    verdict = "met" if reached <= LIMIT else "missed"
    faults = ", ".join(f"{what} ({n})" for what, n in seen.faults.items()) or "none"
    runs = ", ".join(f"{n} {state}" for state, n in seen.runs.items()) or "none ended"
    return "\n".join(
        [
            f"{asked.exploring} people exploring and {asked.running} running, "
            f"{asked.seconds} seconds after {asked.settle} to settle.\n",
            *lines,
            "",
            f"- The mark of {LIMIT:.0f} ms for 95 of 100 calls of exploring: {verdict}, "
            f"{reached:.0f} ms.",
            f"- Faults: {faults}.",
            f"- Runs: {runs}.",
            f"- Processor: {seen.processor:.1f} s of the server's own in {asked.seconds} s.",
            f"- Memory: {first:.0f} MB at first, {last:.0f} MB at last.",
        ]
    )


def exploring(seen: Seen) -> list[float]:
    """The times of all calls by people who explore."""
    kinds = ("model", "datasets", "search", "histogram", "description", "count")
    return [one for kind in kinds for one in seen.times[kind]]


def main() -> None:
    """Starts a server, sends the people in, writes what was seen; ends with 1 on any fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exploring", type=int, default=200, help="people who explore")
    parser.add_argument("--running", type=int, default=20, help="people who run analyses")
    parser.add_argument("--settle", type=int, default=20, help="seconds before measuring")
    parser.add_argument("--seconds", type=int, default=60, help="seconds that are measured")
    parser.add_argument("--pause", type=float, nargs=2, default=(3, 10), help="seconds of reading")
    parser.add_argument("--write", default=RESULTS, type=Path, help="where the figures go")
    asked = parser.parse_args()
    load = os.getloadavg()[0]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mip-load-") as folder:
        home = Home(Path(folder) / "home").prepare()
        home.configuration.write_text('[login]\nkind = "open"\n')
        program = str(Path(sys.executable).with_name("mip"))
        command = [program, "demo", "--alone", "--home", str(home.path), "--port", str(port)]
        with (Path(folder) / "output.txt").open("w") as output:
            started = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            address = f"http://127.0.0.1:{port}"
            await_ready(address, started)
            seen = asyncio.run(crowd(address, psutil.Process(started.pid), asked))
        finally:
            started.terminate()
            started.wait(timeout=60)
    introduction = INTRODUCTION.format(
        pause=asked.pause,
        python=platform.python_version(),
        processors=os.cpu_count(),
        load=load,
    )
    text = introduction + table(seen, asked) + "\n"
    asked.write.write_text(text)
    sys.stdout.write(re.sub(r"^# .*\n\n", "", text))
    sys.exit(1 if seen.faults else 0)


def await_ready(address: str, server: subprocess.Popen[bytes]) -> None:
    """Waits until the server is ready; raises RuntimeError where it ends or takes too long."""
    until = time.monotonic() + READY
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended with {server.returncode}")
        try:
            if httpx.get(f"{address}/readyz", timeout=2).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise RuntimeError(f"the server was not ready within {READY:.0f} seconds")


if __name__ == "__main__":
    main()
