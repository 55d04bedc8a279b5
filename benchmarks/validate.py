"""`make validate`: how near every family comes to its reference, to docs/validation.md."""

import subprocess
import sys
import tempfile
from collections import Counter
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


def peer_suite() -> list[str]:
    """A Markdown table of the peer suite's cases that pass; raises where the tests do not run."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-n", "2", "tests/peer", f"--junitxml={report}"],
            cwd=PAGE.parent.parent,
            stdout=subprocess.DEVNULL,
            check=False,
        )
        cases = ElementTree.parse(report).getroot().iter("testcase")
        counts: dict[str, Counter[str]] = {}
        for case in cases:
            name = case.get("classname", "").rsplit(".test_", 1)[-1]
            verdict = next((child.tag for child in case if child.tag != "properties"), "passed")
            counts.setdefault(name, Counter())[verdict] += 1
    lines = ["| cases of | comparisons | equal, or explained by proof |", "|---|---|---|"]
    for name, found in sorted(counts.items()):
        if found["skipped"]:
            return ["The peer suite is not on this machine."]
        lines.append(f"| {name.replace('_', ' ')} | {found.total()} | {found['passed']} |")
    together = sum(counts.values(), Counter())
    lines.append(f"| **all** | {together.total()} | {together['passed']} |")
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
                "compared at 1e-06 relative. Where the two differ, the test holds the proof of",
                "who is right: a definition that differs (Yates, Welch, denominators), an",
                "interval, a worse optimum of k-means.",
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
