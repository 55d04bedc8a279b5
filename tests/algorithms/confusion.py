"""What a picture of a confusion matrix tells of counts that are hidden."""

from typing import Any


def hidden_in_the_picture(result: Any) -> bool:
    """Whether the picture shows `hidden`, and no weight, exactly where the result has None."""
    chart = next(view for view in result.views() if view.title == "Confusion matrix")
    cells = chart.spec["data"]["values"]
    counts = [count for row in result.confusion for count in row]
    return [
        (cell["told"], cell["weight"] is None) if count is None else cell["told"]
        for cell, count in zip(cells, counts, strict=True)
    ] == [("hidden", True) if count is None else f"{count:,}" for count in counts]
