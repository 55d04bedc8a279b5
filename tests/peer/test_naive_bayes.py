"""The peer's naive Bayes models, numeric and nominal."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from sklearn.naive_bayes import CategoricalNB

from medmip.algorithms.declaration import CannotCompute
from tests.peer.conftest import Explain, PeerHospital, close
from tests.peer.folds import as_logistic, records

PEER_CASES = (
    "naive_bayes_gauss_fit",
    "naive_bayes_gauss_predict",
    "naive_bayes_categorical_fit",
    "naive_bayes_categorical_predict",
)


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any], explained: Explain) -> None:
    theirs, data = case["output"], case["input"]["inputdata"]
    columns = records(peer, data, as_logistic)
    if len(set(columns[data["y"][0]])) == 1:
        explained("a model of a single class, which can only ever give that class, is refused")
        assert len(theirs.get("predictions", theirs.get("class_count"))) == 1
        with pytest.raises(CannotCompute, match="single level"):
            peer.run("naive_bayes", data, sorted_levels=True)
        return
    ours = peer.run("naive_bayes", data, sorted_levels=True)
    if "predictions" in theirs:
        given = zip(ours.classes, ours.predicted, strict=True)
        told = {part.level: count for part, count in given if count}
        if "dataset" in data["x"] and told != theirs["predictions"]:
            explained("it smooths over every dataset that it knows, not only those asked for")
            every = peer.model(data["data_model"]).variable("dataset").levels
            assert told == _predicted(peer, data, columns, data["datasets"])
            assert theirs["predictions"] == _predicted(peer, data, columns, every)
            return
        assert told == theirs["predictions"]
        return
    assert [part.n for part in ours.classes] == theirs["class_count"]
    for index, part in enumerate(ours.classes):
        if "theta" in theirs:
            assert list(part.means) == close(theirs["theta"][index])
            smoothed = [value + ours.variance_floor for value in part.variances]
            assert smoothed == close(theirs["var"][index])
        else:
            for code, counts, category in zip(
                ours.nominal, part.counts, theirs["category_count"], strict=True
            ):
                asked = code == "dataset"
                if asked:
                    explained("it lists every dataset that it knows, not only those asked for")
                known, found = (
                    [count for count in part if count or not asked]
                    for part in (category[index], counts)
                )
                assert found == known


def _predicted(
    peer: PeerHospital, data: dict[str, Any], columns: dict[str, Any], datasets: Any
) -> dict[str, int]:
    """What scikit-learn's model gives these records, where `dataset` has these levels."""
    model = peer.model(data["data_model"])
    levels = [
        list(datasets) if code == "dataset" else list(model.variable(code).levels)
        for code in data["x"]
    ]
    x = np.column_stack(
        [
            [known.index(value) for value in columns[code]]
            for code, known in zip(data["x"], levels, strict=True)
        ]
    )
    fitted = CategoricalNB(min_categories=[len(known) for known in levels])
    given = fitted.fit(x, columns[data["y"][0]]).predict(x)
    return dict(Counter(given.tolist()))
