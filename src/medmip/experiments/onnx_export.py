"""A trained model as an ONNX graph, which other software runs without MIP."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import singledispatchmethod
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, ValueInfoProto, checker, helper, numpy_helper

from medmip.algorithms.discriminant import DiscriminantModel
from medmip.algorithms.naive_bayes import NaiveBayesModel
from medmip.algorithms.perceptron_result import PerceptronModel
from medmip.catalogue.data_model import DataModel
from medmip.errors import Conflict
from medmip.fold.model import LinearModel, Model, TermFactor
from medmip.fold.transform import Transform
from medmip.fold.tree_model import TreesModel

_OPSET, _ML_OPSET, _IR = 19, 3, 9
"""Versions that runtimes of some years know; strings are compared from 19 on."""
_REMEDY = "Take it as JSON."


def onnx_of(model: Model, data_model: DataModel, origin: str) -> bytes:
    """The graph of a model in the ONNX format.

    Each variable is an input (records, 1): a number as double, a level's code as string. Outputs
    are `predicted`, doubles, or `chances` (records, classes) with `predicted`, the likeliest
    class; not a number where the model has no answer. origin is kept in the file's description.
    Raises Conflict where the family has no graph.
    """
    graph = _Graph(data_model)
    graph.answer(model)
    if {"predicted", "chances"} & set(graph.used):
        raise Conflict(
            "A variable of the model is called as the graph's outputs, `predicted` or `chances`",
            remedy=_REMEDY,
        )
    inputs = [graph.input_of(code) for code in graph.used]
    outputs = [helper.make_tensor_value_info("predicted", TensorProto.DOUBLE, ["records", 1])]
    if model.target is not None:
        size = len(model.target.classes)
        outputs = [
            helper.make_tensor_value_info("predicted", TensorProto.STRING, ["records"]),
            helper.make_tensor_value_info("chances", TensorProto.DOUBLE, ["records", size]),
        ]
    made = helper.make_model(
        helper.make_graph(graph.nodes, "model", inputs, outputs, graph.constants),
        opset_imports=[
            helper.make_opsetid("", _OPSET),
            helper.make_opsetid("ai.onnx.ml", _ML_OPSET),
        ],
        ir_version=_IR,
        producer_name="medmip",
        doc_string=origin,
    )
    told = {"outcome": model.outcome}
    if model.target is not None:
        told["classes"] = "; ".join(model.target.classes)
    helper.set_model_props(made, told)
    checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


@dataclass
class _Graph:
    """Nodes by and by; every value is named by a number, with a colon, which no variable has."""

    data_model: DataModel
    nodes: list[NodeProto] = field(default_factory=list)
    constants: list[TensorProto] = field(default_factory=list)
    used: list[str] = field(default_factory=list)

    @singledispatchmethod
    def answer(self, model: Model) -> None:
        """Adds the nodes from the variables to the outputs."""
        name = type(model).__name__.removesuffix("Model")
        raise Conflict(f"A model of this family ({name}) has no ONNX graph", remedy=_REMEDY)

    @answer.register
    def _linear(self, model: LinearModel) -> None:
        scores = self.constant(np.array([model.intercepts]))
        for term in model.terms:
            values = self.product(term.factors)
            scores = self.add("Add", scores, self.add("Mul", values, self.row(term.weights)))
        scores = self.known(scores, model.known)
        match model.link:
            case "identity":
                self.number(scores)
            case "log":
                self.number(self.add("Exp", scores))
            case "logit":
                self.classes(model, self.two(scores))
            case "softmax":
                self.classes(model, self.softmax(self.beside(self.nothing(scores), scores)))
            case "cumulative":
                upto = self.add("Sigmoid", scores)
                none = self.nothing(upto)
                one = self.add("Add", none, self.row([1.0]))
                above, below = self.beside(upto, one), self.beside(none, upto)
                self.classes(model, self.add("Sub", above, below))
            case "one against rest":
                # Beyond that a chance's logarithm would not be finite.
                bounded = self.add("Max", scores, self.row([-700.0]))
                shares = self.softmax(self.add("Log", self.add("Sigmoid", bounded)))
                self.classes(model, shares)

    @answer.register
    def _network(self, model: PerceptronModel) -> None:
        columns = [
            self.add("Div", self.add("Sub", self.values(part), self.row([mean])), self.row([scale]))
            for part, mean, scale in zip(model.columns, model.means, model.scales, strict=True)
        ]
        values = self.beside(*columns)
        shape = {"tanh": "Tanh", "logistic": "Sigmoid"}[str(model.activation)]
        for place, layer in enumerate(model.layers):
            if place:
                values = self.add(shape, values)
            weighed = self.add("MatMul", values, self.constant(np.array(layer.weights)))
            values = self.add("Add", weighed, self.row(layer.intercepts))
        values = self.known(values, model.known)
        if model.target is None:
            spread = self.add("Mul", values, self.row([model.spread]))
            self.number(self.add("Add", spread, self.row([model.centre])))
        elif len(model.layers[-1].intercepts) == 1:
            self.classes(model, self.two(values))
        else:
            self.classes(model, self.softmax(values))

    @answer.register
    def _naive_bayes(self, model: NaiveBayesModel) -> None:
        variances = np.array(model.variances)
        whole = np.log(model.prior) - 0.5 * np.log(2 * np.pi * variances).sum(axis=1)
        scores = self.row(whole)
        for index, code in enumerate(model.numeric):
            means = self.row(row[index] for row in model.means)
            apart = self.add("Sub", self.variable(code), means)
            shrunk = self.add("Mul", apart, self.row(-0.5 / variances[:, index]))
            scores = self.add("Add", scores, self.add("Mul", apart, shrunk))
        for code, levels, chances in zip(model.nominal, model.levels, model.chances, strict=True):
            with np.errstate(divide="ignore"):
                table = self.constant(np.log(np.array(chances).T))
            # A row is taken, not multiplied: the logarithm of no chance has no product with 0.
            place = self.add("ArgMax", self.held(code, levels), axis=1, keepdims=0)
            scores = self.add("Add", scores, self.add("Gather", table, place, axis=0))
        known = dict(zip(model.nominal, model.levels, strict=True))
        self.classes(model, self.softmax(self.known(scores, known)))

    @answer.register
    def _discriminant(self, model: DiscriminantModel) -> None:
        values = self.beside(*[self.values(column) for column in model.columns])
        scores = []
        for index, (prior, mean) in enumerate(zip(model.prior, model.means, strict=True)):
            part = index % len(model.roots)
            root = self.constant(np.array(model.roots[part]))
            white = self.add("MatMul", self.add("Sub", values, self.row(mean)), root)
            apart = self.add("ReduceSumSquare", white, self.constant(np.array([1])), keepdims=1)
            half = self.add("Mul", apart, self.row([-0.5]))
            level = np.log(prior) + model.half_log_precisions[part]
            scores.append(self.add("Add", half, self.row([level])))
        self.classes(model, self.softmax(self.known(self.beside(*scores), model.known)))

    @answer.register
    def _trees(self, model: TreesModel) -> None:
        places: dict[tuple[int, tuple[str, ...] | None], int] = {}
        for tree in model.trees:
            for index, levels in zip(tree.variable, tree.levels, strict=True):
                if index >= 0:
                    places.setdefault((index, levels), len(places))
        columns = []
        for index, levels in places:
            code = model.features[index]
            outside = self.outside(code, levels) if levels is not None else None
            columns.append(self.variable(code) if outside is None else self.as_number(outside))
        width = len(model.base) or max(len(row) for row in model.trees[0].values)
        if not columns:
            raise Conflict("The trees ask no question, so there is no graph", remedy=_REMEDY)
        summed = self.trees(model, places, self.beside(*columns), width)
        scores = self.add("Add", summed, self.row(model.base or (0.0,) * width))
        for code in model.features:
            if code not in model.known:
                missing = self.add("IsNaN", self.variable(code))
                scores = self.add("Where", missing, self.row([np.nan]), scores)
        scores = self.known(scores, model.known)
        if model.target is None:
            self.number(scores)
        elif model.joining == "logit":
            self.classes(model, self.two(scores))
        elif model.joining == "softmax":
            self.classes(model, self.softmax(scores))
        else:
            self.classes(model, scores)

    def trees(
        self,
        model: TreesModel,
        places: dict[tuple[int, tuple[str, ...] | None], int],
        columns: str,
        width: int,
    ) -> str:
        """The sum, or the mean, of all trees' values (records, width)."""
        held: dict[str, Any] = {
            name: []
            for name in (
                "nodes_treeids", "nodes_nodeids", "nodes_featureids", "nodes_modes",
                "nodes_truenodeids", "nodes_falsenodeids", "target_treeids", "target_nodeids",
                "target_ids",
            )
        }  # fmt: skip
        borders: list[float] = []
        weights: list[float] = []
        share = 1.0 / len(model.trees) if model.joining == "mean" else 1.0
        for number, tree in enumerate(model.trees):
            for node, index in enumerate(tree.variable):
                leaf = index < 0
                levels, threshold = tree.levels[node], tree.threshold[node]
                held["nodes_treeids"].append(number)
                held["nodes_nodeids"].append(node)
                held["nodes_featureids"].append(0 if leaf else places[index, levels])
                held["nodes_modes"].append("LEAF" if leaf else "BRANCH_LT")
                held["nodes_truenodeids"].append(0 if leaf else tree.left[node])
                held["nodes_falsenodeids"].append(0 if leaf else tree.left[node] + 1)
                borders.append(0.0 if leaf else 0.5 if threshold is None else threshold)
                for place, value in enumerate(tree.values[node]):
                    turn = place if model.joining == "mean" else number % width
                    held["target_treeids"].append(number)
                    held["target_nodeids"].append(node)
                    held["target_ids"].append(turn)
                    weights.append(value * share)
        name = f"node:{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(
                "TreeEnsembleRegressor",
                [columns],
                [f"{name}_float"],
                domain="ai.onnx.ml",
                n_targets=width,
                nodes_values_as_tensor=numpy_helper.from_array(np.array(borders), "borders"),
                target_weights_as_tensor=numpy_helper.from_array(np.array(weights), "weights"),
                **held,
            )
        )
        return self.add("Cast", f"{name}_float", to=TensorProto.DOUBLE)

    def input_of(self, code: str) -> ValueInfoProto:
        """The declaration of a variable's input."""
        numeric = self.data_model.variable(code).is_numeric
        kind = TensorProto.DOUBLE if numeric else TensorProto.STRING
        return helper.make_tensor_value_info(code, kind, ["records", 1])

    def variable(self, code: str) -> str:
        """A variable's input."""
        if code not in self.used:
            self.used.append(code)
        return code

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401
        """One more node; its output."""
        name = f"node:{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, values: np.ndarray[Any, Any]) -> str:
        """A constant tensor."""
        name = f"constant:{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def row(self, values: Iterable[float]) -> str:
        """A constant (1, values)."""
        return self.constant(np.array([list(values)], dtype=np.float64))

    def text(self, values: Sequence[str]) -> str:
        """Constant strings, (1, values)."""
        return self.constant(np.array([list(values)], dtype=object))

    def beside(self, *parts: str) -> str:
        """Columns beside each other."""
        return self.add("Concat", *parts, axis=1)

    def column(self, values: str, place: int) -> str:
        """One column, (records, 1)."""
        return self.add("Gather", values, self.constant(np.array([place])), axis=1)

    def nothing(self, like: str) -> str:
        """As many zeros as there are records, (records, 1); not a number where the others are."""
        return self.add("Mul", self.column(like, 0), self.row([0.0]))

    def softmax(self, scores: str) -> str:
        """The chances of scores."""
        return self.add("Softmax", scores, axis=1)

    def two(self, scores: str) -> str:
        """The chances of two classes, of the second one's logit."""
        return self.beside(
            self.add("Sigmoid", self.add("Neg", scores)), self.add("Sigmoid", scores)
        )

    def as_number(self, held: str) -> str:
        """1.0 for true, 0.0 for false."""
        return self.add("Cast", held, to=TensorProto.DOUBLE)

    def held(self, code: str, levels: Sequence[str]) -> str:
        """1.0 for the level, among these, that a nominal variable has, else 0.0; as floats."""
        equal = self.add("Equal", self.variable(code), self.text(levels))
        return self.add("Cast", equal, to=TensorProto.FLOAT)

    def outside(self, code: str, levels: Sequence[str]) -> str:
        """Whether a nominal variable has none of these levels, (records, 1)."""
        held, axis = self.held(code, levels), self.constant(np.array([1]))
        some = self.add("ReduceMax", held, axis, keepdims=1)
        return self.add("Not", self.add("Cast", some, to=TensorProto.BOOL))

    def known(self, scores: str, known: dict[str, tuple[str, ...]]) -> str:
        """Scores that are not a number where a level was in no record of the training."""
        for code, levels in known.items():
            scores = self.add("Where", self.outside(code, levels), self.row([np.nan]), scores)
        return scores

    def values(self, factor: TermFactor) -> str:
        """A factor's value, (records, 1)."""
        if factor.level is not None:
            return self.as_number(
                self.add("Equal", self.variable(factor.variable), self.text([factor.level]))
            )
        values = self.variable(factor.variable)
        return values if factor.transform is None else self.transformed(values, factor.transform)

    def product(self, factors: Sequence[TermFactor]) -> str:
        """The product of factors, (records, 1)."""
        first, *others = (self.values(factor) for factor in factors)
        for other in others:
            first = self.add("Mul", first, other)
        return first

    def transformed(self, values: str, transform: Transform) -> str:
        """A transformed variable, (records, 1)."""
        if transform.name in ("log", "exp"):
            return self.add(transform.name.capitalize(), values)
        if transform.name == "power":
            moved = self.add("Sub", values, self.row([transform.origin]))
            return self.add("Pow", moved, self.row([float(transform.order)]))
        *_, before, last = transform.knots
        knot, width = transform.knots[transform.order - 1], last - before
        parts = [(knot, 1.0), (before, -(last - knot) / width), (last, (before - knot) / width)]
        cubes = [
            self.add("Mul", self.cube(self.add("Sub", values, self.row([at]))), self.row([weight]))
            for at, weight in parts
        ]
        bent = self.add("Add", self.add("Add", cubes[0], cubes[1]), cubes[2])
        return self.add("Div", bent, self.row([(last - transform.knots[0]) ** 2]))

    def cube(self, values: str) -> str:
        """The third power of what is above zero."""
        above = self.add("Max", values, self.row([0.0]))
        return self.add("Mul", self.add("Mul", above, above), above)

    def number(self, values: str) -> None:
        """The output of a predicted number."""
        self.nodes.append(helper.make_node("Identity", [values], ["predicted"]))

    def classes(self, model: Model, chances: str) -> None:
        """The outputs of classes: their chances, and the likeliest one."""
        names = model.target.classes if model.target is not None else ()
        self.nodes.append(helper.make_node("Identity", [chances], ["chances"]))
        likeliest = self.add("ArgMax", chances, axis=1, keepdims=0)
        told = self.constant(np.array(list(names), dtype=object))
        self.nodes.append(helper.make_node("Gather", [told, likeliest], ["predicted"], axis=0))
