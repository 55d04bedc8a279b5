"""The model of every algorithm that predicts goes out as JSON and as ONNX, and comes back."""

import json
from typing import Any

import numpy as np
import pytest

from medmip.algorithms.registry import registry
from medmip.authoring.check import _NOMINAL, Trial
from medmip.experiments.onnx_export import onnx_of
from tests.analysis import cohort_of, model_of

PREDICTING = sorted(name for name, found in registry().items() if found.predicts)


@pytest.mark.parametrize("name", PREDICTING)
def test_a_model_read_back_predicts_the_same(name: str) -> None:
    algorithm = registry()[name]
    trial = Trial.of(algorithm, 450 if algorithm.repeated else 300)
    result: Any = trial.run()
    text = result.model.model_dump_json(indent=2)
    again = type(result.model).model_validate_json(text)
    assert again == result.model
    told = json.loads(text)
    assert told["outcome"] == trial.y[0]
    assert told["kind"]
    cohort = cohort_of(trial.data, y=trial.y, x=trial.x, levels=_NOMINAL, datasets=["one", "two"])
    transport: Any = cohort.transport
    (member,) = transport.members
    for block in member.part.blocks():
        predicted = result.model.predict(block)
        assert not np.isnan(predicted).any()
        assert np.array_equal(again.predict(block), predicted)
    assert onnx_of(again, model_of(trial.data, _NOMINAL), "a test")
