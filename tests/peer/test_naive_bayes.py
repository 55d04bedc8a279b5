"""The peer's naive Bayes models, numeric and nominal."""

from typing import Any

import pytest

from medmip.algorithms.declaration import CannotCompute
from tests.peer.conftest import PeerHospital, close

PEER_CASES = ("naive_bayes_gauss_fit", "naive_bayes_categorical_fit", "naive_bayes_gauss_predict")


def test_equals_the_peer(peer: PeerHospital, case: dict[str, Any]) -> None:
    theirs, data = case["output"], case["input"]["inputdata"]
    if len(theirs.get("class_count", "many")) == 1:
        # The peer makes a model of a single class, which can only ever give that class.
        with pytest.raises(CannotCompute, match="single level"):
            peer.run("naive_bayes", data, sorted_levels=True)
        return
    ours = peer.run("naive_bayes", data, sorted_levels=True)
    if "predictions" in theirs:
        given = zip(ours.classes, ours.predicted, strict=True)
        assert {part.level: count for part, count in given if count} == theirs["predictions"]
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
                # The peer's levels of `dataset` are all that it knows, not only those asked for.
                every = code != "dataset"
                known, found = (
                    [count for count in part if count or every]
                    for part in (category[index], counts)
                )
                assert found == known
