"""`python -m benchmarks.validate`: digits of NIST's values reached, to docs/validation.md."""

from pathlib import Path
from typing import Any

import numpy as np

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


def main() -> None:
    fitted = {data.name: regression_digits(data) for data in regressions()}
    compared = {data.name: anova_digits(data) for data in layouts()}
    PAGE.write_text(
        "\n".join(
            [
                "# Validation",
                "",
                "Right significant digits of the values that NIST certifies for its Statistical",
                "Reference Datasets; 15 is as many as are certified.",
                "",
                "## Linear regression",
                "",
                *table(fitted),
                "",
                "Wampler1 and Wampler2 fit exactly: their certified errors are 0, and the digits",
                "are the zeros after the point. Filip's x to the tenth power, rounded as data are,",
                "leaves 7.6 digits: the exact solution for the rounded data has no more.",
                "",
                "## One-way analysis of variance",
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
