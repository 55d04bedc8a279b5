"""`make validate`: how near every family comes to its reference, to docs/validation.md."""

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from benchmarks.references import COMPARISONS, cohort
from tests.algorithms.nist import Groups, Regression, digits, fewest, layouts, regressions
from tests.analysis import analyse

PAGE = Path(__file__).parent.parent / "docs" / "validation.md"


def regression_digits(data: Regression, parts: int = 1) -> dict[str, float]:
    """The fewest right digits of each quantity of a linear regression."""
    columns: dict[str, Any] = {
        f"x{index + 1}": data.x[:, index] for index in range(data.x.shape[1])
    }
    names = list(columns)
    fit = analyse("linear_regression", {"y": data.y, **columns}, y=["y"], x=names, parts=parts)
    return {
        "estimates": fewest([row.estimate for row in fit.coefficients], data.estimates),
        "standard errors": fewest([row.std_error for row in fit.coefficients], data.errors),
        "residual SD": digits(fit.residual_std_error, data.residual_sd),
        "R²": digits(fit.r_squared, data.r_squared),
    }


def anova_digits(data: Groups, parts: int = 1) -> dict[str, float]:
    """The fewest right digits of each quantity of a one-way analysis of variance."""
    names = [str(index + 1) for index in range(len(data.values))]
    group = np.repeat(names, [len(values) for values in data.values])
    columns = {"y": np.concatenate(data.values), "g": group}
    fit = analyse("anova_oneway", columns, y=["y"], x=["g"], parts=parts)
    return {
        "between": digits(fit.ss_between, data.between),
        "within": digits(fit.ss_within, data.within),
        "F": digits(fit.f_statistic, data.f),
    }


def table(rows: dict[str, dict[str, float]]) -> list[str]:
    """A Markdown table of digits, a line for each data set."""
    names = list(next(iter(rows.values())))
    lines = [f"| data set | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    lines += [
        f"| {name} | {' | '.join(f'{found[key]:.1f}' for key in names)} |"
        for name, found in rows.items()
    ]
    return lines


def families() -> list[str]:
    """A Markdown table of every algorithm's largest relative error against its reference."""
    data = cohort()
    lines = [
        "| family | algorithm | figures | reference | largest relative error | at most |",
        "|---|---|---|---|---|---|",
    ]
    for part in COMPARISONS:
        error = part.error(data)
        told = "R is not installed" if error is None else f"{error:.0e}"
        lines.append(
            f"| {part.family} | `{part.algorithm}` | {part.quantities} | {part.reference} "
            f"| {told} | {part.tolerance:.0e} |"
        )
    return lines


@dataclass
class PeerCases:
    """What became of one file of the peer suite: each case's failures, and explanations."""

    failed: dict[int, bool] = field(default_factory=dict)
    explained: dict[int, set[str]] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, int, int, int]:
        """The cases; of them equal, explained, and wrong."""
        wrong = {number for number, bad in self.failed.items() if bad}
        told = {number for number, how in self.explained.items() if how} - wrong
        every = len(self.failed)
        return every, every - len(told) - len(wrong), len(told), len(wrong)

    def row(self, name: str) -> str:
        """A line of the table."""
        how = "; ".join(sorted(set().union(*self.explained.values())))
        return f"| {name} | {' | '.join(map(str, self.counts))} | {how} |"


def peer_suite() -> list[str]:
    """A Markdown table of what became of each of the peer suite's cases; runs its tests."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "tests/peer", f"--junitxml={report}"],
            cwd=PAGE.parent.parent,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        files: dict[str, PeerCases] = {}
        for case in ElementTree.parse(report).getroot().iter("testcase"):
            if case.find("skipped") is not None:
                return ["The peer suite is not on this machine."]
            named = re.search(r"(\w+)-(\d+)(?=[-\]])", case.get("name", ""))
            if named is None:
                raise ValueError(f"{case.get('name')} names no case of the peer suite")
            found, number = files.setdefault(named[1], PeerCases()), int(named[2])
            bad = case.find("failure") is not None or case.find("error") is not None
            found.failed[number] = found.failed.get(number, False) or bad
            told = found.explained.setdefault(number, set())
            told |= {part.get("value", "") for part in case.iter("property")}
    lines = [
        "| peer's cases | number | equal | explained | wrong | how the peer differs |",
        "|---|---|---|---|---|---|",
    ]
    lines += [found.row(f"`{name}`") for name, found in sorted(files.items())]
    counts = [found.counts for found in files.values()]
    totals = [sum(column) for column in zip(*counts, strict=True)]
    lines.append(f"| **all** | {' | '.join(f'**{count}**' for count in totals)} | |")
    return lines


def main() -> None:
    fitted = {data.name: regression_digits(data) for data in regressions()}
    compared = {data.name: anova_digits(data) for data in layouts()}
    PAGE.write_text(
        "\n".join(
            [
                "# Validation",
                "",
                "How near the algorithms come to independent software, to a peer platform, and to",
                "certified values. `make validate` writes this page.",
                "",
                "## Every family beside a reference",
                "",
                "On one generated cohort of 600 patients; each figure's error is a share of its",
                "own size. A test fails where an error exceeds what is allowed: 1e-08 for closed",
                "forms, 1e-06 for iterated ones. ℓ is the log-likelihood, D the deviance.",
                "",
                *families(),
                "",
                "## The peer suite",
                "",
                "Analyses of real and synthetic data sets with the results of a peer platform,",
                "compared at 1e-06 relative. A case is explained where a figure differs by what",
                "the peer does, and a test proves it: it makes the peer's own figure from what it",
                "does, and holds ours to independent software.",
                "",
                *peer_suite(),
                "",
                "## NIST's certified values",
                "",
                "Right significant digits of the values that NIST certifies for its Statistical",
                "Reference Datasets; 15 is as many as are certified.",
                "",
                "### Linear regression",
                "",
                *table(fitted),
                "",
                "Wampler1 and Wampler2 fit exactly: their certified errors are 0, and the digits",
                "are the zeros after the point. Filip's x to the tenth power, rounded as data are,",
                "leaves 7.6 digits: the exact solution for the rounded data has no more.",
                "",
                "### One-way analysis of variance",
                "",
                *table(compared),
                "",
                "SmLs07 to SmLs09 hold values such as 1000000000000.4, of which a double keeps",
                "four decimals: what the data lose when they are read, no method brings back.",
                "",
            ]
        )
    )
    print(PAGE.read_text())


if __name__ == "__main__":
    main()
