"""Times to an event, beside R."""

from typing import Any

from benchmarks.references.comparison import (
    CLOSED,
    ITERATED,
    Comparison,
    Pair,
    X,
    coefficients,
    in_r,
    run,
)


def _kaplan_meier(data: dict[str, Any]) -> Pair:
    asked = {"event": "yes", "grid": 1.0}
    found = run("kaplan_meier", data, y=["months"], x=["died", "sex"], parameters=asked)
    theirs = in_r(
        data,
        'library(survival); s <- Surv(d$months, d$died == "yes"); '
        "t <- survdiff(s ~ d$sex); cat(format(t$chisq, digits = 16))",
    )
    return [found.log_rank.chi_square], theirs


def _cox(data: dict[str, Any]) -> Pair:
    asked = {"event": "yes", "grid": 1.0}
    found = run("cox", data, y=["months"], x=["died", *X], parameters=asked)
    theirs = in_r(
        data,
        'library(survival); m <- coxph(Surv(months, died == "yes") ~ age + volume + sex, d, '
        'ties = "efron", control = coxph.control(eps = 1e-12)); '
        "cat(format(c(coef(m), sqrt(diag(vcov(m))), m$loglik[2]), digits = 16))",
    )
    return [*coefficients(found.coefficients), found.log_likelihood], theirs


COMPARISONS = (
    Comparison(
        "survival", "kaplan_meier", "log-rank χ²", "R survival", CLOSED, _kaplan_meier, r=True
    ),
    Comparison("survival", "cox", "b, SE, ℓ", "R survival", ITERATED, _cox, r=True),
)
