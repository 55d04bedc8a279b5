"""A multilayer perceptron: its forward pass, and what each round of its training adds up.

Rectified units are not among the activations. One may be awake for a single patient, whose
record its weights then copy; and where the loss has kinks, training comes to no rest that is the
same however records are split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from scipy.special import expit, logsumexp

from medmip.fold.block import Block
from medmip.fold.design import Design
from medmip.fold.statistic import FloatArray, IntArray, Statistic, Sum

_TILE = 4096
"""Records worked on at a time: their columns stay in the processor's cache."""


class Activation(StrEnum):
    """What a hidden unit makes of its input."""

    TANH = "tanh"
    LOGISTIC = "logistic"

    @property
    def label(self) -> str:
        """What a form offers."""
        return {
            Activation.TANH: "Hyperbolic tangent",
            Activation.LOGISTIC: "Logistic",
        }[self]

    def of(self, values: FloatArray) -> FloatArray:
        """The unit's output, of the shape of values, in their place."""
        if self is Activation.TANH:
            np.tanh(values, out=values)
        else:
            expit(values, out=values)
        return values

    def slope(self, output: FloatArray) -> FloatArray:
        """The output's derivative by the input, from the output itself."""
        return 1.0 - output * output if self is Activation.TANH else output * (1.0 - output)

    def bend(self, output: FloatArray) -> FloatArray:
        """The output's second derivative by the input, from the output itself."""
        lean = -2.0 * output if self is Activation.TANH else 1.0 - 2.0 * output
        return lean * self.slope(output)


@dataclass(frozen=True)
class Shape:
    """The units of every layer, from the input's columns to the output's scores."""

    units: tuple[int, ...]

    @property
    def parameters(self) -> int:
        """The number of weights and intercepts."""
        return sum((fan_in + 1) * out for fan_in, out in self.pairs)

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The units before and after each layer of weights."""
        return list(zip(self.units[:-1], self.units[1:], strict=True))

    def layers(self, flat: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """Weights (before, after) and intercepts (after,) of each layer, views of flat."""
        found, start = [], 0
        for fan_in, out in self.pairs:
            middle = start + fan_in * out
            weights = flat[start:middle].reshape(fan_in, out)
            found.append((weights, flat[middle : middle + out]))
            start = middle + out
        return found

    @property
    def shrunken(self) -> FloatArray:
        """1.0 for each weight, 0.0 for each intercept."""
        parts = [(np.ones(fan_in * out), np.zeros(out)) for fan_in, out in self.pairs]
        return np.concatenate([part for pair in parts for part in pair])


def forward(
    z: FloatArray, layers: Sequence[tuple[FloatArray, FloatArray]], activation: Activation
) -> list[FloatArray]:
    """The outputs of every layer, (units, n) each, from its input z (p, n) to the scores."""
    outputs = [z]
    for index, (weights, intercepts) in enumerate(layers):
        values = np.dot(weights.T, outputs[-1])
        values += intercepts[:, None]
        outputs.append(activation.of(values) if index + 1 < len(layers) else values)
    return outputs


@dataclass(frozen=True)
class NetworkState:
    """A network at one point: its columns are z = (x - shift) / scale, (p,) each.

    classes are the outcome's levels in the order of the scores; of two classes one score, of the
    second. Of a numeric outcome they are None, and its score is of (y - centre) / spread.
    flat (q,) are all weights, layer by layer, weights before intercepts.
    """

    design: Design
    shift: FloatArray
    scale: FloatArray
    outcome: str
    classes: tuple[int, ...] | None
    centre: float
    spread: float
    shape: Shape
    activation: Activation
    flat: FloatArray


@dataclass(frozen=True)
class NetworkStep(Statistic):
    """Loss () and gradient (q,), sums over all records."""

    loss: Sum
    gradient: Sum

    def supported_parameters(self) -> int:
        return len(self.gradient)


def network_step(block: Block, state: NetworkState) -> NetworkStep:
    """The loss of one block's records, and its gradient by backpropagation.

    The loss is the cross-entropy of the classes, or half the squared error of (y - centre) /
    spread. Source: Goodfellow, Bengio & Courville, Deep Learning (2016), 6.5.
    """
    x = block.matrix(state.design)
    layers = state.shape.layers(state.flat)
    # The scale goes into the first weights, so that records need be shifted only.
    scaled = [(layers[0][0] / state.scale[:, None], layers[0][1]), *layers[1:]]
    truth = truth_of(block, state)
    gradient = np.zeros_like(state.flat)
    slopes = state.shape.layers(gradient)
    loss = 0.0
    for start in range(0, block.records, _TILE):
        stop = min(start + _TILE, block.records)
        centred = x.T[:, start:stop] - state.shift[:, None]
        outputs = forward(centred, scaled, state.activation)
        part, error = _loss(outputs[-1], truth[:, start:stop], state.classes is not None)
        loss += part
        for index in range(len(layers) - 1, -1, -1):
            slopes[index][0][:] += np.dot(outputs[index], error.T)
            slopes[index][1][:] += error.sum(axis=1)
            if index:
                error = np.dot(layers[index][0], error)
                error *= state.activation.slope(outputs[index])
    slopes[0][0][:] /= state.scale[:, None]
    return NetworkStep(np.array(loss), gradient)


@dataclass(frozen=True)
class NetworkCurvature(Statistic):
    """The Hessian matrix of the loss, (q, q)."""

    hessian: Sum

    def supported_parameters(self) -> int:
        return len(self.hessian)


def network_curvature(block: Block, state: NetworkState) -> NetworkCurvature:
    """The Hessian matrix of one block's losses, a column for each parameter.

    Source: Pearlmutter, Neural Computation 6 (1994) 147-160.
    """
    x = block.matrix(state.design)
    layers = state.shape.layers(state.flat)
    truth = truth_of(block, state)
    hessian = np.zeros((len(state.flat), len(state.flat)))
    for start in range(0, block.records, _TILE):
        stop = min(start + _TILE, block.records)
        z = (x.T[:, start:stop] - state.shift[:, None]) / state.scale[:, None]
        outputs = forward(z, layers, state.activation)
        _, error = _loss(outputs[-1], truth[:, start:stop], state.classes is not None)
        pass_ = _Pass.of(state, layers, outputs, error)
        row = 0
        for place, (fan_in, out) in enumerate(state.shape.pairs):
            for before in range(fan_in + 1):
                for after in range(out):
                    pass_.add_row(place, before, after, state.shape.layers(hessian[row]))
                    row += 1
    return NetworkCurvature((hessian + hessian.T) / 2)


@dataclass(frozen=True)
class _Pass:
    """One tile's outputs and errors, and what the Hessian matrix needs of them, by layer."""

    layers: list[tuple[FloatArray, FloatArray]]
    outputs: list[FloatArray]
    errors: list[FloatArray]
    slopes: list[FloatArray]
    bends: list[FloatArray]
    chances: FloatArray | None

    @classmethod
    def of(
        cls,
        state: NetworkState,
        layers: list[tuple[FloatArray, FloatArray]],
        outputs: list[FloatArray],
        error: FloatArray,
    ) -> "_Pass":
        slopes = [state.activation.slope(output) for output in outputs[1:-1]]
        bends = [state.activation.bend(output) for output in outputs[1:-1]]
        errors = [error]
        for index in range(len(layers) - 1, 0, -1):
            back = np.dot(layers[index][0], errors[0])
            bends[index - 1] *= back
            errors.insert(0, back * slopes[index - 1])
        chances = None
        if state.classes is not None:
            scores = outputs[-1]
            chances = expit(scores) if len(scores) == 1 else chances_of(scores)
        return cls(layers, outputs, errors, slopes, bends, chances)

    def add_row(
        self, place: int, before: int, after: int, row: list[tuple[FloatArray, FloatArray]]
    ) -> None:
        """Adds the change of the gradient with one parameter, of which layer place has many.

        It is the weight from unit before to unit after, or where before is beyond the units the
        intercept of unit after.
        """
        last = len(self.layers) - 1
        fan_in = len(self.outputs[place])
        inputs: dict[int, FloatArray] = {}
        moved = np.zeros_like(self.outputs[place + 1])
        moved[after] = self.outputs[place][before] if before < fan_in else 1.0
        inputs[place] = moved
        for index in range(place + 1, last + 1):
            inputs[index] = np.dot(
                self.layers[index][0].T, self.slopes[index - 1] * inputs[index - 1]
            )
        error = self._bent(inputs[last])
        for index in range(last, -1, -1):
            weights, intercepts = row[index]
            weights += np.dot(self.outputs[index], error.T)
            intercepts += error.sum(axis=1)
            if index > place:
                turned = self.slopes[index - 1] * inputs[index - 1]
                weights += np.dot(turned, self.errors[index].T)
            if index:
                back = np.dot(self.layers[index][0], error)
                if index == place and before < fan_in:
                    back[before] += self.errors[index][after]
                error = back * self.slopes[index - 1]
                if index > place:
                    error += self.bends[index - 1] * inputs[index - 1]

    def _bent(self, moved: FloatArray) -> FloatArray:
        """The change of the last errors as the scores move."""
        if self.chances is None:
            return moved
        if len(moved) == 1:
            return self.chances * (1.0 - self.chances) * moved
        bent: FloatArray = self.chances * (moved - (self.chances * moved).sum(axis=0))
        return bent


@dataclass(frozen=True)
class Sensitivities(Statistic):
    """Sums of squared derivatives of predictions by standardised columns, (predictions, p).

    Predictions are the chances of all classes (of two, of the second), or the outcome's value.
    """

    squares: Sum

    def supported_parameters(self) -> int:
        return int(self.squares.size)


def sensitivities(block: Block, state: NetworkState) -> Sensitivities:
    """How strongly one block's predictions hang on each column.

    Source: Dimopoulos, Bourret & Lek, Neural Processing Letters 2 (1995) 1-4.
    """
    x = block.matrix(state.design)
    layers = state.shape.layers(state.flat)
    squares = np.zeros((state.shape.units[-1], state.shape.units[0]))
    for start in range(0, block.records, _TILE):
        stop = min(start + _TILE, block.records)
        z = (x.T[:, start:stop] - state.shift[:, None]) / state.scale[:, None]
        outputs = forward(z, layers, state.activation)
        slopes = [state.activation.slope(output) for output in outputs[1:-1]]
        found = []
        for score in range(state.shape.units[-1]):
            back = layers[-1][0][:, score : score + 1] * slopes[-1]
            for index in range(len(slopes) - 1, 0, -1):
                back = np.dot(layers[index][0], back) * slopes[index - 1]
            found.append(np.dot(layers[0][0], back))
        by_score = np.stack(found)
        if state.classes is None:
            by_score *= state.spread
        else:
            chances = chances_of(outputs[-1])[-len(by_score) :, None, :]
            mean = (chances * by_score).sum(axis=0)
            by_score = chances * (by_score - mean)
        squares += (by_score**2).sum(axis=2)
    return Sensitivities(squares)


def truth_of(block: Block, state: NetworkState) -> FloatArray:
    """What each record's scores should be: indicators of classes, or a number; (scores, n)."""
    if state.classes is None:
        values: FloatArray = (block.column(state.outcome) - state.centre) / state.spread
        return values[None, :]
    classes = state.classes[1:] if len(state.classes) == 2 else state.classes
    held: IntArray = block.levels(state.outcome).astype(np.int64)
    indicators: FloatArray = (held == np.array(classes)[:, None]).astype(np.float64)
    return indicators


def chances_of(scores: FloatArray) -> FloatArray:
    """The chances of the classes, (classes, n), from scores (scores, n)."""
    if len(scores) == 1:
        return np.concatenate([expit(-scores), expit(scores)])
    chances: FloatArray = np.exp(scores - logsumexp(scores, axis=0))
    return chances


def _loss(scores: FloatArray, truth: FloatArray, nominal: bool) -> tuple[float, FloatArray]:
    """The sum of records' losses, and its derivative by the scores, (scores, n)."""
    if not nominal:
        error = scores - truth
        return 0.5 * float((error * error).sum()), error
    if len(scores) == 1:
        loss = np.logaddexp(0.0, scores) - truth * scores
        return float(loss.sum()), expit(scores) - truth
    total = logsumexp(scores, axis=0)
    loss = total - (truth * scores).sum(axis=0)
    return float(loss.sum()), np.exp(scores - total) - truth
