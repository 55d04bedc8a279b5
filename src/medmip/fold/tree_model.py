"""The model that trees make: one tree, the mean of many, or their sum."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.special import expit, softmax

from medmip.fold.bins import Bins, Feature
from medmip.fold.block import Block
from medmip.fold.model import Model, Target
from medmip.fold.statistic import FloatArray
from medmip.fold.trees import Tree

MOST_LEAVES = 2**15
"""Leaves of a model at the most: a few megabytes of JSON."""


class FittedTree(BaseModel):
    """A binary tree of m nodes; node 0 is the root, and a node's children are left and left + 1.

    variable (m,) is an index into the model's variables, -1 at a leaf. A record goes left where
    its value is less than the threshold, or where its level is among levels; else right.
    values (m,) are what the node predicts, empty but at leaves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    variable: tuple[int, ...]
    threshold: tuple[float | None, ...]
    levels: tuple[tuple[str, ...] | None, ...]
    left: tuple[int, ...]
    values: tuple[tuple[float, ...], ...]

    @classmethod
    def of(cls, tree: Tree, bins: Bins, values: FloatArray) -> "FittedTree":
        """A tree by borders and levels; values (m, scores) are those of every node."""
        thresholds: list[float | None] = []
        levels: list[tuple[str, ...] | None] = []
        for index, side in zip(tree.feature, tree.sides, strict=True):
            feature = bins.features[index] if index >= 0 else None
            nominal = feature is not None and feature.is_nominal
            numeric = feature is not None and not nominal
            thresholds.append(feature.edges[side.count(0) - 1] if feature and numeric else None)
            levels.append(
                tuple(name for name, right in zip(feature.levels, side, strict=False) if not right)
                if feature and nominal
                else None
            )
        return cls(
            variable=tree.feature,
            threshold=tuple(thresholds),
            levels=tuple(levels),
            left=tree.left,
            values=tuple(
                tuple(row) if feature < 0 else ()
                for row, feature in zip(values.tolist(), tree.feature, strict=True)
            ),
        )

    def by_bins(self, bins: Bins) -> Tree:
        """The same tree by the bins of its variables."""
        sides = []
        for index, threshold, levels in zip(
            self.variable, self.threshold, self.levels, strict=True
        ):
            if index < 0:
                sides.append(b"")
                continue
            feature = bins.features[index]
            if levels is not None:
                sides.append(bytes(int(level not in levels) for level in feature.levels))
            else:
                upto = feature.edges.index(threshold if threshold is not None else np.nan)
                sides.append(bytes(int(place > upto) for place in range(feature.bins)))
        return Tree(self.variable, self.left, tuple(sides))

    @property
    def table(self) -> FloatArray:
        """The values of every node, (m, scores)."""
        width = max(len(row) for row in self.values)
        return np.array([row or (0.0,) * width for row in self.values], dtype=np.float64)


Joining = Literal["mean", "sum", "logit", "softmax"]


class TreesModel(Model):
    """Trees joined to a prediction.

    mean: the mean of their values. sum, logit and softmax: base plus the sum of the values, by
    the link of that name; trees of several scores take turns, one tree a score in each round.
    features are the variables that trees ask about; known, the levels of nominal ones that the
    training held.
    """

    kind: Literal["trees"] = "trees"
    joining: Joining
    features: tuple[str, ...]
    known: dict[str, tuple[str, ...]]
    base: tuple[float, ...]
    trees: tuple[FittedTree, ...]

    @classmethod
    def of(
        cls,
        outcome: str,
        target: Target | None,
        joining: Joining,
        bins: Bins,
        known: Mapping[str, tuple[str, ...]],
        trees: Sequence[FittedTree],
        base: Sequence[float] = (),
    ) -> "TreesModel":
        """The model of fitted trees over these bins."""
        return cls(
            outcome=outcome,
            target=target,
            joining=joining,
            features=tuple(feature.variable for feature in bins.features),
            known=dict(known),
            base=tuple(base),
            trees=tuple(trees),
        )

    @property
    def variables(self) -> tuple[str, ...]:
        return self.features

    @cached_property
    def _bins(self) -> Bins:
        """The bins between the thresholds that any tree uses."""
        used: list[set[float]] = [set() for _ in self.features]
        for tree in self.trees:
            for index, threshold in zip(tree.variable, tree.threshold, strict=True):
                if threshold is not None:
                    used[index].add(threshold)
        return Bins(
            tuple(
                Feature(code, levels=self.known[code])
                if code in self.known
                else Feature(code, tuple(sorted(borders)))
                for code, borders in zip(self.features, used, strict=True)
            )
        )

    @cached_property
    def _fitted(self) -> list[tuple[Tree, FloatArray]]:
        return [(tree.by_bins(self._bins), tree.table) for tree in self.trees]

    def predict(self, block: Block) -> FloatArray:
        codes, lacking = self._bins.of(block)
        width = len(self.base) or len(self._fitted[0][1][0])
        scores = np.tile(np.array(self.base or (0.0,) * width), (block.records, 1))
        for index, (tree, values) in enumerate(self._fitted):
            found = values[tree.places(codes)]
            if self.joining == "mean":
                scores += found
            else:
                scores[:, index % width] += found[:, 0]
        if self.joining == "mean":
            scores /= len(self.trees)
        scores[lacking] = np.nan
        match self.joining:
            case "logit":
                return np.column_stack([expit(-scores[:, 0]), expit(scores[:, 0])])
            case "softmax":
                chances: FloatArray = softmax(scores, axis=1)
                return chances
            case _:
                return scores if self.target is not None else scores[:, 0]
