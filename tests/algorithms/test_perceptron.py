"""The perceptron against scikit-learn's loss, gradient and forward pass, split over sites."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier, MLPRegressor

from medmip.algorithms.declaration import CannotCompute
from medmip.algorithms.registry import find
from medmip.experiments.validate import Folds, validated
from medmip.fold import training
from medmip.fold.block import Block, Layout
from medmip.fold.network import (
    Activation,
    NetworkState,
    Shape,
    network_curvature,
    network_step,
    sensitivities,
)
from medmip.fold.training import starting_weights, trained
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from medmip.store.engine import Partition
from tests.algorithms.samples import splits
from tests.analysis import analyse, cohort_of
from tests.blocks import cohort_over

X = ["volume", "score", "gene"]
LEVELS = {"group": ("ad", "cn", "mci"), "two": ("no", "yes"), "gene": ("e2", "e3", "e4")}
STRICT = Policy(overlap="off")
OUTCOMES = {"group": 3, "two": 1, "cost": 1}


def cohort(records: int = 400, seed: int = 3, mean: float = 0.0) -> dict[str, Any]:
    """Covariates of two kinds; classes and a cost that hang on them by a product and a curve."""
    rng = np.random.default_rng(seed)
    volume, score = rng.normal(size=records), rng.normal(size=records)
    gene = rng.choice(LEVELS["gene"], records, p=[0.2, 0.5, 0.3])
    lean = np.column_stack([volume * score, np.sin(2 * volume) + (gene == "e4"), 0 * score])
    place = (lean + rng.gumbel(size=(records, 3))).argmax(axis=1)
    return {
        "volume": mean + 3 + 0.5 * volume,
        "score": 25 + 4 * score,
        "gene": gene,
        "group": np.array(LEVELS["group"])[place],
        "two": np.where(place == 0, "yes", "no"),
        "cost": 100 + 20 * (volume * score + np.tanh(volume) + 0.5 * rng.normal(size=records)),
    }


def fit(data: dict[str, Any], y: str = "group", x: Any = X, **options: Any) -> Any:
    levels = LEVELS | options.pop("levels", {})
    return analyse("perceptron", data, y=[y], x=x, levels=levels, **options)


def inputs(data: dict[str, Any], ours: Any = None) -> np.ndarray:
    """The standardised columns; by the means and standard deviations of a model of ours."""
    columns = [data["volume"], data["score"], data["gene"] == "e3", data["gene"] == "e4"]
    x = np.column_stack(columns).astype(float)
    if ours is not None:
        own: np.ndarray = (x - np.array(ours.model.means)) / np.array(ours.model.scales)
        return own
    z: np.ndarray = (x - x.mean(axis=0)) / x.std(axis=0)
    return z


def aims(data: dict[str, Any], y: str, ours: Any = None) -> np.ndarray:
    """What scikit-learn is trained towards: a class, or the standardised number."""
    values = data[y]
    if y == "cost" and ours is not None:
        values = (values - ours.model.centre) / ours.model.spread
    elif y == "cost":
        values = (values - values.mean()) / values.std()
    return np.asarray(values)


def theirs(data: dict[str, Any], y: str, ours: Any = None, **options: Any) -> Any:
    """scikit-learn's network after its own training by L-BFGS, with our settings."""
    kind = MLPRegressor if y == "cost" else MLPClassifier
    network = kind(solver="lbfgs", **{"alpha": 1.0, "hidden_layer_sizes": (4,)} | options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return network.fit(inputs(data, ours), aims(data, y, ours))


def given_ours(network: Any, ours: Any) -> Any:
    """scikit-learn's network with our weights."""
    network.coefs_ = [np.array(layer.weights) for layer in ours.model.layers]
    network.intercepts_ = [np.array(layer.intercepts) for layer in ours.model.layers]
    return network


def loss_and_gradient(
    network: Any, data: dict[str, Any], y: str, ours: Any = None
) -> tuple[float, np.ndarray]:
    """scikit-learn's own, at its present weights; the gradient in our order, layer by layer."""
    z, aim = inputs(data, ours), aims(data, y, ours)
    if y == "group":
        aim = (aim[:, None] == np.array(LEVELS["group"])).astype(float)
    else:
        aim = (aim == "yes" if y == "two" else aim).astype(float)[:, None]
    activations = [z, *(np.empty((len(z), len(part))) for part in network.intercepts_)]
    loss, weights, intercepts = network._backprop(
        z, aim, None, activations, [*activations[1:]],
        [np.empty_like(part) for part in network.coefs_],
        [np.empty_like(part) for part in network.intercepts_],
    )  # fmt: skip
    pairs = zip(weights, intercepts, strict=True)
    return loss, np.concatenate([np.concatenate([w.ravel(), b]) for w, b in pairs])


@pytest.mark.parametrize("y", OUTCOMES)
@pytest.mark.parametrize("hidden", [(4,), (5, 3)])
@pytest.mark.parametrize("activation", list(Activation))
def test_loss_and_gradient_equal_scikit_learn(y: str, hidden: Any, activation: str) -> None:
    data = cohort()
    z = inputs(data)
    network = theirs(
        data, y, hidden_layer_sizes=hidden, activation=str(activation), alpha=2.0, max_iter=3
    )
    shape = Shape((4, *hidden, OUTCOMES[y]))
    pairs = zip(network.coefs_, network.intercepts_, strict=True)
    flat = np.concatenate([np.concatenate([w.ravel(), b]) for w, b in pairs])
    state, over = _state(data, y, shape, activation, flat)
    step = over.fold(network_step, state)
    expected = loss_and_gradient(network, data, y)
    shrunken = 2.0 * shape.shrunken * flat
    assert (float(step.loss) + shrunken @ flat / 2) / len(z) == pytest.approx(
        expected[0], rel=1e-12
    )
    found = (step.gradient + shrunken) / len(z)
    assert found == pytest.approx(expected[1], rel=1e-10, abs=1e-14)


def _state(
    data: dict[str, Any], y: str, shape: Shape, activation: str, flat: np.ndarray, **options: Any
) -> tuple[NetworkState, Any]:
    columns = [data["volume"], data["score"], data["gene"] == "e3", data["gene"] == "e4"]
    names = ["volume", "score", "e3", "e4"]
    numbers = {name: np.asarray(part, float) for name, part in zip(names, columns, strict=True)}
    classes = LEVELS.get(y, ("none",))
    held = np.zeros(len(data["volume"])) if y == "cost" else [classes.index(v) for v in data[y]]
    over = cohort_over(
        numbers | {"cost": data["cost"]}, y=[y], x=names, codes={y: (held, classes)}
        if y != "cost" else None, **options,
    )  # fmt: skip
    x = np.column_stack(list(numbers.values()))
    state = NetworkState(
        over.design(over.x), x.mean(axis=0), x.std(axis=0), y,
        None if y == "cost" else tuple(range(len(classes))),
        data["cost"].mean() if y == "cost" else 0.0, data["cost"].std() if y == "cost" else 1.0,
        shape, Activation(activation), flat,
    )  # fmt: skip
    return state, over


@pytest.mark.parametrize("y", OUTCOMES)
@pytest.mark.parametrize("seed", [1, 2])
def test_training_starts_as_scikit_learn_and_ends_no_worse(y: str, seed: int) -> None:
    data = cohort()
    ours = fit(data, y, parameters={"seed": seed})
    shape = Shape((4, 4, OUTCOMES[y]))
    first = starting_weights(shape, Activation.TANH, seed)
    start = theirs(data, y, ours, activation="tanh", random_state=seed, max_iter=1)
    start._random_state = np.random.RandomState(seed)
    start._initialize(np.zeros((1, OUTCOMES[y])), [4, 4, OUTCOMES[y]], np.float64)
    pairs = zip(start.coefs_, start.intercepts_, strict=True)
    assert first.tolist() == [v for w, b in pairs for v in (*w.ravel(), *b)]
    loss, _ = loss_and_gradient(start, data, y, ours)
    assert ours.losses[0] == pytest.approx(loss, rel=1e-12)

    ended = theirs(
        data, y, ours, activation="tanh", random_state=seed, max_iter=20_000, max_fun=100_000,
        tol=1e-10,
    )  # fmt: skip
    assert ours.settled
    assert ours.losses[-1] <= ended.loss_ + 1e-9
    loss, gradient = loss_and_gradient(given_ours(ended, ours), data, y, ours)
    assert ours.losses[-1] == pytest.approx(loss, rel=1e-12)
    assert np.abs(gradient).max() < 1e-12
    assert ours.gradient < 1e-12


@pytest.mark.parametrize("y", OUTCOMES)
@pytest.mark.parametrize("second", [0, 3])
def test_predictions_equal_scikit_learns_forward_pass(y: str, second: int) -> None:
    data, unseen = cohort(), cohort(50, seed=8)
    ours = fit(data, y, parameters={"second": second, "rounds": 40})
    hidden = (4, second) if second else (4,)
    network = given_ours(
        theirs(data, y, hidden_layer_sizes=hidden, activation="tanh", max_iter=1), ours
    )
    z = inputs(unseen, ours)
    columns = [data["volume"], data["score"], data["gene"] == "e3", data["gene"] == "e4"]
    x = np.column_stack(columns).astype(float)
    assert np.array(ours.model.means) == pytest.approx(x.mean(axis=0), abs=1e-5)
    assert np.array(ours.model.scales) == pytest.approx(x.std(axis=0), rel=1e-5)
    predicted = ours.model.predict(block_of(unseen))
    if y == "cost":
        expected = ours.model.centre + ours.model.spread * network.predict(z)
        fitted = ours.model.predict(block_of(data))
        error = ((fitted - data["cost"]) ** 2).mean()
        assert ours.rmse == pytest.approx(error**0.5, rel=1e-10)
        assert ours.r_squared == pytest.approx(1 - error / data["cost"].var(), rel=1e-9)
    else:
        expected = network.predict_proba(z)
        assert ours.classes == tuple(network.classes_)
        right = ours.model.predict(block_of(data)).argmax(axis=1)
        share = (np.array(ours.classes)[right] == data[y]).mean()
        assert ours.accuracy == pytest.approx(share)
    assert predicted == pytest.approx(expected, rel=1e-10)


def block_of(data: dict[str, Any]) -> Block:
    codes = [LEVELS["gene"].index(level) for level in data["gene"]]
    return Block(
        Layout(("volume", "score"), ("gene",), (LEVELS["gene"],)),
        np.column_stack([data["volume"], data["score"]]),
        np.array(codes, dtype=np.int32)[:, None],
        np.zeros(len(codes), dtype=np.int32),
        None,
    )


@pytest.mark.parametrize("y", OUTCOMES)
@pytest.mark.parametrize("hidden", [(3,), (3, 2)])
@pytest.mark.parametrize("activation", list(Activation))
def test_curvature_and_sensitivity_are_derivatives(y: str, hidden: Any, activation: str) -> None:
    data = cohort(60)
    shape = Shape((4, *hidden, OUTCOMES[y]))
    flat = np.random.default_rng(2).normal(size=shape.parameters)
    state, over = _state(data, y, shape, activation, flat, cuts=[25])

    def gradient(at: np.ndarray) -> np.ndarray:
        there, _ = _state(data, y, shape, activation, at)
        slope: np.ndarray = over.fold(network_step, there).gradient
        return slope

    steps = 1e-5 * np.eye(shape.parameters)
    expected = np.array([(gradient(flat + h) - gradient(flat - h)) / 2e-5 for h in steps])
    hessian = over.fold(network_curvature, state).hessian
    assert hessian == pytest.approx(expected, abs=1e-7 * np.abs(expected).max())

    network = theirs(data, y, hidden_layer_sizes=hidden, activation=str(activation), max_iter=1)
    layers = shape.layers(flat)
    network.coefs_, network.intercepts_ = [w for w, _ in layers], [b for _, b in layers]
    predict = network.predict if y == "cost" else network.predict_proba
    z = inputs(data)
    for column, squares in enumerate(over.fold(sensitivities, state).squares.T):
        h = 1e-5 * np.eye(4)[column]
        slopes = ((predict(z + h) - predict(z - h)) / 2e-5).reshape(60, -1)
        if y == "two":
            slopes = slopes[:, 1:]
        if y == "cost":
            slopes = slopes * data["cost"].std()
        assert squares == pytest.approx((slopes**2).sum(axis=0), rel=1e-6)


@pytest.mark.parametrize("parts", [*splits(400)[1:], 3])
@pytest.mark.parametrize(
    "y, asked",
    [
        ("group", {}),
        ("two", {"second": 3}),
        ("cost", {"activation": "logistic", "penalty": 0.3}),
        # Far from settled: the very same steps, for their digits are fewer than rounding's.
        ("group", {"rounds": 25, "penalty": 0.001}),
    ],
)
def test_federated_equals_pooled(y: str, asked: dict[str, Any], parts: Any) -> None:
    data = cohort(mean=1e5)
    pooled, split = fit(data, y, parameters=asked), fit(data, y, parameters=asked, parts=parts)
    assert (pooled.rounds, pooled.settled) == (split.rounds, split.settled)
    assert pooled.settled == ("rounds" not in asked)
    assert split.losses == pytest.approx(pooled.losses, rel=1e-9)
    for one, other in zip(pooled.model.layers, split.model.layers, strict=True):
        assert np.array(other.weights) == pytest.approx(np.array(one.weights), rel=1e-9, abs=1e-9)
    assert np.array(split.sensitivities) == pytest.approx(np.array(pooled.sensitivities), rel=1e-9)
    assert pooled.confusion == split.confusion


@settings(max_examples=15)
@given(st.permutations(range(60)), st.lists(st.integers(1, 59), max_size=5))
def test_blocks_in_any_split_and_order_add_up_alike(order: list[int], cuts: list[int]) -> None:
    data = cohort(60)
    shape = Shape((4, 4, 3, 3))
    flat = np.random.default_rng(4).normal(size=shape.parameters)
    moved = {code: values[order] for code, values in data.items()}
    state, over = _state(data, "group", shape, "tanh", flat)
    _, other = _state(moved, "group", shape, "tanh", flat, cuts=cuts)
    one, two = over.fold(network_step, state), other.fold(network_step, state)
    assert two.loss == pytest.approx(one.loss, rel=1e-12)
    assert two.gradient == pytest.approx(one.gradient, rel=1e-12, abs=1e-11)
    first, second = (part.fold(network_curvature, state).hessian for part in (over, other))
    assert second == pytest.approx(first, rel=1e-11, abs=1e-11 * np.abs(first).max())


def test_a_limit_that_is_hit_is_said_plainly() -> None:
    ours = fit(cohort(), parameters={"rounds": 5})
    assert not ours.settled
    assert (ours.rounds, ours.limit, len(ours.losses)) == (5, 5, 6)
    assert "stopped at its limit of 5 rounds" in ours.warning
    by_title = {view.title: view for view in ours.views()}
    assert "Not settled" in by_title["Loss by round"].note
    assert "Not settled" in by_title["Fit"].note
    assert "has not settled" in by_title["Loss by round"].alt
    assert {"measure": "Settled", "value": "no", "format": "text"} in by_title["Fit"].rows


def test_no_minimum_near_is_said_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_NEWTON_ROUNDS", 1)
    ours = fit(cohort())
    assert not ours.settled
    assert ours.curvature_rounds == 0
    assert "no minimum was found" in ours.warning


def test_a_saddle_is_no_minimum() -> None:
    data = cohort(200)
    shape = Shape((4, 2, 1))
    # Two units alike feel the same gradient for ever, but parting them would lower the loss.
    unit = np.random.default_rng(1).normal(size=5)
    flat = np.concatenate([np.repeat(unit[:4], 2), [unit[4], unit[4]], [0.3, 0.3], [0.0]])
    state, over = _state(data, "cost", shape, "tanh", flat)
    found = trained(over, state, 0.1, 200.0, 2000)
    weights = found.state.shape.layers(found.state.flat)[0][0]
    assert not (found.settled and np.array_equal(weights[:, 0], weights[:, 1]))


def test_settled_means_not_to_move_from_there() -> None:
    ours = fit(cohort(), parameters={"rounds": 1000})
    assert ours.settled
    assert ours.warning == ""
    assert ours.curvature_rounds >= 1
    assert ours.losses[-1] <= min(ours.losses) + 1e-10
    assert ours.losses[-1] < ours.null_loss


def test_idle_units_are_nothing_at_all() -> None:
    ours = fit(cohort(), parameters={"penalty": 1000.0})
    assert ours.settled
    first, last = ours.model.layers
    assert first.intercepts == (0.0,) * 4
    assert not np.any(first.weights)
    share = [(cohort()["group"] == level).mean() for level in LEVELS["group"]]
    assert ours.losses[-1] == pytest.approx(ours.null_loss, rel=1e-12)
    assert ours.model.predict(block_of(cohort(1)))[0] == pytest.approx(share, rel=1e-9)
    assert np.array(ours.sensitivities).max() == 0.0
    assert len(last.intercepts) == 3


def test_null_loss_is_that_of_the_mean() -> None:
    data = cohort()
    shares = np.array([(data["group"] == level).mean() for level in LEVELS["group"]])
    assert fit(data).null_loss == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-12)
    assert fit(data, "cost").null_loss == pytest.approx(0.5, rel=1e-5)


def test_seeds_start_apart_and_the_same_seed_ends_alike() -> None:
    data = cohort()
    one, again, other = (fit(data, parameters={"seed": seed}) for seed in (1, 1, 2))
    assert one == again
    assert one.losses[0] != other.losses[0]


def test_more_weights_than_patients_bear_are_refused() -> None:
    with pytest.raises(Refused, match="131 parameters need at least 393 patients"):
        fit(cohort(390), parameters={"units": 16}, policy=STRICT)
    assert fit(cohort(), parameters={"units": 16, "rounds": 2}, policy=STRICT).parameters == 131


def test_small_classes_levels_and_cells_are_kept_back() -> None:
    data = cohort()
    data["group"][:4] = "few"
    levels = {"group": ("ad", "cn", "few", "mci")}
    with pytest.raises(Refused, match=r"\(few\)"):
        fit(data, levels=levels, policy=STRICT)
    data = cohort()
    data["gene"] = np.where(np.arange(400) < 5, "e2", "e3")
    with pytest.raises(Refused, match=r"gene\[e2\]"):
        fit(data, policy=STRICT)
    data = cohort(150)
    data["group"] = np.where(data["volume"] > 2.8, "ad", "cn")
    data["group"][np.flatnonzero(data["volume"] > 3.4)[:4]] = "cn"
    ours = fit(data, x=["volume"], parameters={"units": 1, "penalty": 0.01}, policy=STRICT)
    assert None in [count for row in ours.confusion for count in row]
    assert ours.accuracy is None
    matrix = next(view for view in ours.views() if view.title == "Confusion matrix")
    assert "hidden" in matrix.model_dump_json()


def test_an_unseen_level_or_missing_value_has_no_prediction() -> None:
    data = cohort()
    data["gene"] = np.where(data["gene"] == "e2", "e3", data["gene"])
    ours = fit(data)
    assert ours.dropped == ("gene[e2]",)
    unseen = cohort(20, seed=4)
    unseen["gene"] = np.where(np.arange(20) == 7, "e2", "e3")
    unseen["score"][3] = np.nan
    chances = ours.model.predict(block_of(unseen))
    assert np.flatnonzero(np.isnan(chances).any(axis=1)).tolist() == [3, 7]


@pytest.mark.parametrize(
    "y, change, message",
    [
        ("group", {"group": np.full(400, "cn")}, "single level"),
        ("cost", {"cost": np.full(400, 3.3)}, "cost is constant"),
        ("group", {"volume": np.full(400, 0.1)}, "constant: volume"),
    ],
)
def test_without_an_answer_it_says_why(y: str, change: dict[str, Any], message: str) -> None:
    with pytest.raises(CannotCompute, match=message):
        fit(cohort() | change, y)
    with pytest.raises(CannotCompute, match="among its own"):
        fit(cohort(), y, [*X, y])


def test_it_can_be_validated() -> None:
    data = cohort(600)
    data["subjectcode"] = np.array([f"P{index:05d}" for index in range(600)])
    algorithm = find("perceptron")
    for y, stratum in (("group", "group"), ("cost", None)):
        over = cohort_of(
            data, y=[y], x=X, levels=LEVELS, partition=Partition(3, 1, "subjectcode", stratum)
        )
        asked = Folds(kind="folds", folds=3, seed=1)
        assert validated(over, algorithm, algorithm.parameters(), asked).n == 600


def test_views_show_what_a_paper_prints() -> None:
    titles = [view.title for view in fit(cohort(), parameters={"second": 2, "rounds": 20}).views()]
    assert titles == [
        "Loss by round",
        "Sensitivity",
        "Classes",
        "Confusion matrix",
        "Fit",
        "Weights to hidden layer 1",
        "Weights to hidden layer 2",
        "Weights to the prediction",
    ]
    views = fit(cohort(), "cost").views()
    assert [view.title for view in views][:3] == ["Loss by round", "Sensitivity", "Fit"]
    assert "Reference of gene: e2" in views[3].note
