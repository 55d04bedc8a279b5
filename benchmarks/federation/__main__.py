"""`make bench-federation`: rounds, regressions and crowds, written to benchmarks/federation.md."""

import argparse
import json
import os
import platform
from collections.abc import Callable
from pathlib import Path

from benchmarks.federation import crowd, explore, flare, regression, rounds

RESULTS = Path(__file__).parents[1] / "federation.md"
PARTS = Path(".home/bench/federation.json")
"""What the parts last told, so that they may be measured one at a time."""
INTRODUCTION = (
    "# Benchmarks of the federation\n\n"
    "Real agents, each with its own connection, home and ledger, over the real broker with mutual "
    "TLS on loopback; every message signed, every release guarded and in the ledger, on the disk, "
    "before it leaves. Hospitals are processes of their own where nothing else is said. {machine} "
    "All hospitals, the broker and the hub share the processors and the disk, which real hospitals "
    "do not; ratios carry over to other machines, milliseconds do not.\n"
)


def parts(home: Path, sizes: list[int], crowds: list[int], seconds: float) -> dict[str, "Part"]:
    """Every part of the page, by the word that chooses it."""
    return {
        "rounds": Part(
            "What a round costs",
            "One step of Newton's method over 1,000 patients of each hospital.",
            rounds.HEADER,
            lambda: rounds.contest(sizes),
        ),
        "flare": Part(
            "Beside NVIDIA FLARE",
            "The same step, answered by NumPy alone: no guard, no ledger, no masks; its mutual TLS "
            "is on. It lives in an environment of its own, since its dependencies' bounds differ "
            "from those that MIP is locked to.",
            flare.HEADER,
            lambda: flare.contest(home),
        ),
        "many": Part(
            "Many hospitals against one process",
            "The same patients and the same processors. 20 hospitals make and take off each "
            "other's masks with the processors that one process has for its sums.",
            regression.MANY,
            regression.many,
        ),
        "far": Part("Far away", "Through a process that holds every piece back.", regression.FAR,
                    regression.far),
        "explore": Part(
            "Exploring together",
            "A question from its opening at every hospital to its answer, under masks.",
            explore.HEADER,
            explore.contest,
        ),
        "crowd": Part(
            "A crowd",
            f"Mixed analyses under masks over 3 to all hospitals, {crowd.SIDE_BY_SIDE} side by "
            f"side; {crowd.TOGETHER} hospitals to a process. Memory is what a process holds for "
            "itself.",
            crowd.HEADER,
            lambda: crowd.contest(tuple(crowds), seconds),
        ),
    }  # fmt: skip


class Part:
    """A heading, a sentence, and a table that is measured."""

    def __init__(
        self, title: str, about: str, header: list[str], measure: Callable[[], list[str]]
    ) -> None:
        self.title, self.about, self.header, self.measure = title, about, header, measure

    def page(self, rows: list[str]) -> str:
        """Its part of the page."""
        return "\n".join([f"## {self.title}", "", self.about, "", *self.header, *rows, ""])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help="parts of the page; all without any")
    parser.add_argument("--home", type=Path, default=Path(".home/bench"))
    parser.add_argument("--sites", type=int, nargs="+", default=[3, 20], help="of `rounds`")
    parser.add_argument("--scale", type=int, nargs="+", default=[40, 200], help="of `crowd`")
    parser.add_argument("--seconds", type=float, default=90.0, help="of each crowd")
    asked = parser.parse_args()
    known = parts(asked.home, asked.sites, asked.scale, asked.seconds)
    if unknown := set(asked.parts) - known.keys():
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    measured: dict[str, list[str]] = json.loads(PARTS.read_text()) if PARTS.exists() else {}
    for name, part in known.items():
        if name in asked.parts or not asked.parts:
            print("\n".join(part.header), flush=True)
            measured[name] = part.measure()
            print("\n".join(measured[name]), flush=True)
            PARTS.parent.mkdir(parents=True, exist_ok=True)
            PARTS.write_text(json.dumps(measured))
    machine = f"Python {platform.python_version()}, {os.cpu_count()} processors."
    told = [part.page(measured[name]) for name, part in known.items() if name in measured]
    RESULTS.write_text("\n".join([INTRODUCTION.format(machine=machine), *told]).rstrip() + "\n")


if __name__ == "__main__":
    main()
