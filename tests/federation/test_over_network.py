"""Three hospitals as processes of their own, over TLS: the results are the pooled ones."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medmip.algorithms.registry import registry
from medmip.authoring.check import Trial
from tests.federation.federation import Federation, federation
from tests.federation.recording import LEVELS
from tests.federation.test_pooled import apart

PLAIN = sorted(name for name, algorithm in registry().items() if not algorithm.repeated)
PARTS = [slice(0, 20), slice(20, 300), slice(300, None)]


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Federation]:
    """Three hospitals, one of them small; the records of every trial are the same."""
    data = Trial.of(registry()["describe"]).data
    rows = np.arange(len(data["dataset"]))
    folder: Path = tmp_path_factory.mktemp("federation")
    parts = [rows[part] for part in PARTS]
    with federation(folder, data, parts, levels=LEVELS, datasets=("one", "two")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("name", PLAIN)
def test_an_algorithm_over_the_network_equals_pooled(name: str, three: Federation) -> None:
    algorithm = registry()[name]
    trial = Trial.of(algorithm)
    cohort = three.cohort([name], y=trial.y, x=trial.x, missing=algorithm.missing)
    result: Any = algorithm.run(cohort, algorithm.parameters(**trial.parameters))
    assert list(apart(trial.run().model_dump(), result.model_dump())) == []
