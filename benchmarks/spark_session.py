"""Run by Spark's own Python: one analysis, twice; prints the seconds of each as JSON."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import SparkSession

MOST_STEPS = 25
BINS = 20


def main() -> None:
    """cores, task, file, outcome, covariates."""
    cores, task, path, y, *x = sys.argv[1:]
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.driver.memory", "8g")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "100000")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    columns = {"linear": [*x, y], "logistic": [*x, "outcome"], "histogram": x[:1]}[task]
    run = {"linear": linear, "logistic": logistic, "histogram": histogram}[task]
    # The first job starts Python workers, which a running cluster has.
    session.range(int(cores)).mapInArrow(lambda batches: batches, "id long").count()
    seconds = []
    frame = session.read.parquet(path).select(*columns).cache()
    for _ in range(2):
        begun = time.perf_counter()
        run(frame)
        seconds.append(time.perf_counter() - begun)
    print(json.dumps(seconds))
    session.stop()


def summed(frame: Any, kernel: Callable[[pa.RecordBatch], np.ndarray]) -> np.ndarray:
    """The sum of a kernel over all batches: each partition sends its own."""

    def over(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        total: Any = 0.0
        for batch in batches:
            total = total + kernel(batch)
        if np.ndim(total):
            content = pa.array([total.tobytes()], type=pa.binary())
            yield pa.record_batch([content], names=["part"])

    parts = frame.mapInArrow(over, "part binary").collect()
    total: np.ndarray = np.sum([np.frombuffer(row.part) for row in parts], axis=0)
    return total


def matrix(batch: pa.RecordBatch) -> np.ndarray:
    """The covariates of a batch with a column of ones, (n, p + 1)."""
    columns = [batch.column(index).to_numpy() for index in range(batch.num_columns - 1)]
    return np.column_stack([np.ones(batch.num_rows), *columns])


def linear(frame: Any) -> np.ndarray:
    """Coefficients of least squares."""

    def kernel(batch: pa.RecordBatch) -> np.ndarray:
        x, y = matrix(batch), batch.column(batch.num_columns - 1).to_numpy()
        return np.concatenate([(x.T @ x).ravel(), x.T @ y, [y @ y]])

    size = len(frame.columns)
    total = summed(frame, kernel)
    cross = total[: size * size].reshape(size, size)
    return np.linalg.solve(cross, total[size * size : -1])


def logistic(frame: Any) -> np.ndarray:
    """Coefficients by Newton's method, of standardised covariates, until they stand still."""
    size = len(frame.columns)

    def moments(batch: pa.RecordBatch) -> np.ndarray:
        x = matrix(batch)
        return np.concatenate([x.sum(axis=0), (x * x).sum(axis=0)])

    sums = summed(frame, moments)
    mean, square = sums[1:size] / sums[0], sums[size + 1 :] / sums[0]
    scale = np.sqrt(square - mean**2)
    beta = np.zeros(size)
    for _ in range(MOST_STEPS):

        def kernel(batch: pa.RecordBatch, beta: np.ndarray = beta) -> np.ndarray:
            x = matrix(batch)
            x[:, 1:] = (x[:, 1:] - mean) / scale
            held = pc.equal(batch.column(size - 1), "yes")
            y = held.to_numpy(zero_copy_only=False)
            chance = 1 / (1 + np.exp(-(x @ beta)))
            weighted = x * (chance * (1 - chance))[:, None]
            return np.concatenate([(weighted.T @ x).ravel(), x.T @ (y - chance)])

        total = summed(frame, kernel)
        step = np.linalg.solve(total[: size * size].reshape(size, size), total[size * size :])
        beta = beta + step
        if np.abs(step).max() < 1e-8:
            break
    return beta


def histogram(frame: Any) -> np.ndarray:
    """Counts in equal bins between the smallest value and the largest."""
    name = frame.columns[0]
    low, high = frame.selectExpr(f"min({name})", f"max({name})").first()

    def kernel(batch: pa.RecordBatch) -> np.ndarray:
        counts, _ = np.histogram(batch.column(0).to_numpy(), BINS, (low, high))
        return counts.astype(np.float64)

    return summed(frame, kernel)


if __name__ == "__main__":
    main()
