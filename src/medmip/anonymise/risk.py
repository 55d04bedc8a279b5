"""How likely somebody finds a patient in a dataset, by the sizes of the classes that look alike."""

import numpy as np
from pydantic import BaseModel, ConfigDict

from medmip.anonymise.hierarchy import Codes


class Risk(BaseModel):
    """The chance of finding the right patient, 0 to 1.

    A prosecutor knows that the patient is in the dataset: 1 over the size of the class, at its
    highest and on average. A journalist does not know it: the class counts as many people as it
    has in the population that the patients were drawn from, where that is known, else the same.
    A marketer wants as many as possible: the share of patients found. at_risk is the share of
    patients in classes smaller than the k asked for.

    Source: El Emam, Dankar, Protecting privacy using k-anonymity, J Am Med Inform Assoc 15
    (2008) 627-637.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: int
    smallest: int
    prosecutor: float
    prosecutor_average: float
    journalist: float
    marketer: float
    at_risk: float

    def __str__(self) -> str:
        return (
            f"prosecutor {self.prosecutor:.1%} at most, {self.prosecutor_average:.2%} on average; "
            f"journalist {self.journalist:.2%}; marketer {self.marketer:.2%}; "
            f"{self.at_risk:.2%} of patients in classes that are too small"
        )


def risk(sizes: Codes, k: int, population: int | None = None) -> Risk:
    """The risks of classes of these sizes (patients of each); at least one class.

    Classes of the population are taken to be as many times larger as the population is.
    """
    patients = int(sizes.sum())
    smallest = int(sizes.min())
    average = len(sizes) / patients
    drawn = min(1.0, patients / population) if population else 1.0
    return Risk(
        classes=len(sizes),
        smallest=smallest,
        prosecutor=1 / smallest,
        prosecutor_average=average,
        journalist=drawn / smallest,
        marketer=average * drawn,
        at_risk=float(np.sum(sizes[sizes < k]) / patients),
    )
