"""Exported models predict in another runtime what they predict here."""

from typing import Any

import numpy as np
import onnxruntime
import pytest

from medmip.errors import Conflict
from medmip.experiments.onnx_export import onnx_of
from medmip.fold.block import Block, Layout
from medmip.fold.model import Model
from medmip.fold.statistic import FloatArray
from tests.analysis import analyse, model_of

LEVELS = {"sex": ("F", "M"), "site": ("a", "b", "c"), "three": ("u", "v", "w"), "two": ("n", "y")}


def columns(records: int = 400, seed: int = 5) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(1, 1, records), rng.gamma(3, 1, records)
    sex, site = rng.choice(["F", "M"], records), rng.choice(["a", "b", "c"], records)
    lean = 0.8 * (a - 1) - 0.5 * (b - 3) + (sex == "M") + 0.4 * (site == "b")
    place = lean + rng.logistic(size=records)
    return {
        "a": a,
        "b": b,
        "sex": sex,
        "site": site,
        "amount": 2 + lean + rng.normal(0, 0.5, records),
        "count": rng.poisson(np.exp(0.3 * lean)).astype(float),
        "three": np.where(place < -0.5, "u", np.where(place < 1.0, "v", "w")),
        "two": np.where(place > 0, "y", "n"),
    }


def block_of(model: Any, data: dict[str, Any]) -> Block:
    names = list(model.variables)
    nominal = [name for name in names if name in LEVELS]
    numeric = [name for name in names if name not in LEVELS]
    codes = [[LEVELS[name].index(value) for value in data[name]] for name in nominal]
    n = len(data["a"])
    return Block(
        Layout(tuple(numeric), tuple(nominal), tuple(LEVELS[name] for name in nominal)),
        np.asfortranarray(np.array([data[name] for name in numeric]).reshape(-1, n).T),
        np.asfortranarray(np.array(codes, dtype=np.int32).reshape(-1, n).T),
        np.zeros(n, dtype=np.int32),
        None,
    )


def both(name: str, y: str, parameters: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Our predictions, and the runtime's outputs."""
    data = columns()
    found = analyse(
        name, data, y=[y], x=["a", "b", "sex", "site"], levels=LEVELS, parameters=parameters
    )
    # A missing number, and a level that no record of the training had, have no answer.
    data["a"] = np.where(np.arange(400) == 3, np.nan, data["a"])
    content = onnx_of(found.model, model_of(data, LEVELS), "a test")
    session = onnxruntime.InferenceSession(content)
    given = {}
    for part in session.get_inputs():
        kind = object if part.name in LEVELS else np.float64
        given[part.name] = np.asarray(data[part.name], dtype=kind)[:, None]
    outputs = dict(
        zip([part.name for part in session.get_outputs()], session.run(None, given), strict=True)
    )
    return found.model, found.model.predict(block_of(found.model, data)), outputs


@pytest.mark.parametrize(
    "name, y, parameters",
    [
        ("linear_regression", "amount", {"interactions": [["a", "sex"]]}),
        ("linear_regression", "amount", {"polynomials": ["a"], "splines": ["b"]}),
        ("glm", "count", {}),
        ("logistic_regression", "two", {"positive_class": "y"}),
        ("multinomial_regression", "three", {}),
        ("ordinal_regression", "three", {}),
        ("linear_svm", "three", {}),
        ("perceptron", "three", {}),
        ("perceptron", "amount", {"activation": "logistic"}),
        ("naive_bayes", "three", {}),
        ("naive_bayes", "two", {"alpha": 0.0}),
        ("discriminant", "three", {}),
        ("discriminant", "two", {"kind": "quadratic"}),
        ("decision_tree", "amount", {}),
        ("decision_tree", "three", {}),
        ("random_forest", "three", {"trees": 5}),
        ("gradient_boosting", "two", {"rounds": 8}),
        ("gradient_boosting", "three", {"rounds": 6}),
        ("gradient_boosting", "amount", {"rounds": 8}),
    ],
)
def test_another_runtime_predicts_the_same(name: str, y: str, parameters: dict[str, Any]) -> None:
    model, ours, theirs = both(name, y, parameters)
    told = theirs["predicted"][:, 0] if model.target is None else theirs["chances"]
    assert np.isnan(told[3]).all()
    # The runtime adds up trees in single precision.
    tolerance = 2e-6 if model.kind == "trees" else 1e-12
    np.testing.assert_allclose(told, ours, rtol=tolerance, atol=tolerance)
    if model.target is not None:
        likeliest = np.array(model.target.classes)[np.nan_to_num(ours).argmax(axis=1)]
        sure = np.sort(np.nan_to_num(ours), axis=1)[:, -2:]
        apart = sure[:, 1] - sure[:, 0] > 1e-4
        assert (theirs["predicted"][apart] == likeliest[apart]).all()


class OwnModel(Model):
    """A model of a package's own family."""

    @property
    def variables(self) -> tuple[str, ...]:
        return ("a",)

    def predict(self, block: Block) -> FloatArray:
        return block.column("a")


def test_a_family_without_a_graph_says_so() -> None:
    with pytest.raises(Conflict, match=r"Own.*has no ONNX graph"):
        onnx_of(OwnModel(outcome="amount"), model_of(columns(), LEVELS), "a test")


def test_a_level_that_a_class_never_has_excludes_it_there_too() -> None:
    data = columns()
    data["site"] = np.where((data["two"] == "y") & (data["site"] == "c"), "a", data["site"])
    found = analyse("naive_bayes", data, y=["two"], x=["a", "site"], levels=LEVELS,
                    parameters={"alpha": 0.0})  # fmt: skip
    session = onnxruntime.InferenceSession(onnx_of(found.model, model_of(data, LEVELS), "a test"))
    given = {
        "a": np.array([[1.0]]),
        "site": np.array([["c"]], dtype=object),
    }
    chances = dict(zip([part.name for part in session.get_outputs()], session.run(None, given),
                       strict=True))["chances"]  # fmt: skip
    assert chances.tolist() == [[1.0, 0.0]]
