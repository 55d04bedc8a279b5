"""Federated averaging against scikit-learn's own steps, taken part by part and averaged here."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

from medmip.algorithms.declaration import CannotCompute
from medmip.fold.network import Shape
from medmip.fold.training import starting_weights
from medmip.privacy.guard import Refused
from medmip.privacy.policy import Policy
from tests.algorithms.test_perceptron import block_of, cohort, fit, inputs

PARTS = [np.arange(96), np.arange(96, 256), np.arange(256, 400)]
"""Three hospitals, of which the sizes are whole numbers of batches."""
AVERAGING: dict[str, Any] = {
    "training": "averaging",
    "batch": 16,
    "rate": 0.2,
    "epochs": 3,
    "penalty": 0.5,
}


def averaged_here(data: dict[str, Any], ours: Any, rounds: int) -> tuple[list[Any], list[float]]:
    """Weights and losses by round, of scikit-learn's stochastic gradient descent in each part."""
    z, y = inputs(data, ours), data["group"]
    network = MLPClassifier(
        (4,),
        activation="tanh",
        solver="sgd",
        learning_rate_init=AVERAGING["rate"],
        momentum=0.0,
        nesterovs_momentum=False,
        shuffle=False,
        batch_size=AVERAGING["batch"],
        # It divides by a batch's records, ours by those of all hospitals.
        alpha=AVERAGING["penalty"] * AVERAGING["batch"] / len(y),
    )
    network.partial_fit(z[:16], y[:16], classes=np.unique(y))
    places = [*network.coefs_, *network.intercepts_]
    shape = [array.shape for array in places]
    turn = [0, 2, 1, 3]
    flat = starting_weights(Shape((4, 4, 3)), ours.activation, ours.seed)
    ends = np.cumsum([shape[index][0] * (*shape[index], 1)[1] for index in turn])[:-1]
    now: list[Any] = [None] * 4
    for index, part in zip(turn, np.split(flat, ends), strict=True):
        now[index] = part.reshape(shape[index])
    losses = []
    for _ in range(rounds + 1):
        for place, value in zip(places, now, strict=True):
            place[:] = value
        squares = sum(float((weights**2).sum()) for weights in network.coefs_)
        mean = log_loss(y, network.predict_proba(z), labels=network.classes_)
        losses.append(mean + 0.5 * AVERAGING["penalty"] * squares / len(y))
        if len(losses) > rounds:
            break
        total = [np.zeros_like(part) for part in now]
        for rows in PARTS:
            for place, value in zip(places, now, strict=True):
                place[:] = value
            for _ in range(AVERAGING["epochs"]):
                network.partial_fit(z[rows], y[rows])
            total = [part + len(rows) * own for part, own in zip(total, places, strict=True)]
        now = [part / len(y) for part in total]
    return now, losses


def test_a_round_is_the_mean_of_networks_trained_apart() -> None:
    data = cohort()
    ours = fit(data, parameters=AVERAGING | {"rounds": 6}, parts=PARTS)
    weights, losses = averaged_here(data, ours, 6)
    assert ours.losses == pytest.approx(losses, rel=1e-10)
    assert ours.losses[-1] == min(ours.losses)
    for index, layer in enumerate(ours.model.layers):
        assert np.array(layer.weights) == pytest.approx(weights[index], rel=1e-9, abs=1e-12)
        assert layer.intercepts == pytest.approx(weights[2 + index], rel=1e-9, abs=1e-12)
    assert not ours.settled
    assert "not the network that the pooled records give" in ours.warning


def test_it_predicts_nearly_as_well_as_the_pooled_network() -> None:
    data, unseen = cohort(1200), cohort(2000, seed=11)
    asked = AVERAGING | {"epochs": 1, "rate": 0.1, "rounds": 400}
    parts = np.array_split(np.arange(1200), 3)
    apart = fit(data, parameters=asked, parts=parts)
    pooled = fit(data, parameters={"penalty": 0.5})
    losses = [
        log_loss(unseen["group"], part.model.predict(block_of(unseen)), labels=part.classes)
        for part in (apart, pooled)
    ]
    assert "settle" in apart.views()[0].alt
    assert losses[0] < 1.03 * losses[1]
    network = MLPClassifier((4,), activation="tanh", alpha=0.5, solver="adam", max_iter=3000,
                            random_state=1).fit(inputs(data, pooled), data["group"])  # fmt: skip
    theirs = log_loss(unseen["group"], network.predict_proba(inputs(unseen, pooled)))
    assert losses[0] < 1.03 * theirs


def test_a_site_has_patients_enough_for_the_weights_that_leave_it() -> None:
    few = [np.arange(90), np.arange(90, 400)]
    with pytest.raises(Refused, match="parameters need at least"):
        fit(cohort(), parameters=AVERAGING | {"rounds": 2}, parts=few, policy=Policy(overlap="off"))


def test_steps_that_are_too_long_say_so() -> None:
    data = cohort()
    with pytest.raises(CannotCompute, match="beyond all bounds"):
        fit(data, y="cost", parameters=AVERAGING | {"rate": 10.0, "rounds": 30, "penalty": 1e5})
