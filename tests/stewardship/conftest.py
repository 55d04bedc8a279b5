"""What the tests of stewardship share: a home with a dataset of two versions."""

import pytest

from medmip.catalogue.model_store import ModelStore
from medmip.ingest.publish import bring_in
from tests.anonymise.cohort import COHORT

POLICY = """
[description]
title = "Memory clinic"
source = "Records of the clinic"
consent = "General consent"
contact_name = "Data office"
contact_email = "data@example.org"
publisher = "University Hospital"
country = "CHE"
keywords = ["dementia"]
[retention]
versions = 2
[anonymisation]
reidentification = true
"""


def content(patients, first=0, volume="1"):
    lines = [f"H{i:05},{50 + i % 40},{'FM'[i % 2]},{i}.{volume}" for i in range(first, patients)]
    return "\n".join(["subjectcode,subjectageyears,gender,volume", *lines, ""])


@pytest.fixture
def publish(home, tmp_path):
    ModelStore(home).add(COHORT)
    path = home.dataset_policy(COHORT.key, "ward")
    path.parent.mkdir(parents=True)
    path.write_text(POLICY)

    def publishing(text, dataset="ward"):
        file = tmp_path / "ward.csv"
        file.write_text(text)
        return bring_in(home, file, COHORT, dataset, allow_small_change=True).snapshots[0]

    return publishing
