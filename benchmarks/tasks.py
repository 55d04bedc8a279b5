"""The table of all tasks, those over many sites among them."""

from benchmarks.families import (
    classification,
    description,
    group_tests,
    longitudinal,
    preparation,
    regression,
    survival,
    trees,
    unsupervised,
)
from benchmarks.task import Task

SITES = 10
FAMILIES = {
    "description": description.TASKS,
    "group_tests": group_tests.TASKS,
    "regression": regression.TASKS,
    "longitudinal": longitudinal.TASKS,
    "survival": survival.TASKS,
    "unsupervised": unsupervised.TASKS,
    "classification": classification.TASKS,
    "trees": trees.TASKS,
    "preparation": preparation.TASKS,
}
ALONE = tuple(task for tasks in FAMILIES.values() for task in tasks)
ITERATIVE = {
    "describe", "box_plot", "spearman_correlation", "linear_regression", "logistic_regression",
    "multinomial_regression", "ordinal_regression", "glm", "elastic_net", "mixed_model", "gee",
    "cox", "kmeans", "gaussian_mixture", "linear_svm", "perceptron", "decision_tree",
    "random_forest", "gradient_boosting",
}  # fmt: skip
"""Algorithms that look at the records more than once."""
SPLIT = tuple(
    task.over(SITES)
    for task in ALONE
    if task.algorithm in ITERATIVE and not task.preparation and " bare" not in task.name
)
TASKS = (*ALONE, *SPLIT)


def chosen(words: list[str]) -> list[Task]:
    """The tasks whose name holds one of these words, or of that algorithm or family; else all.

    The family `sites` is of all that are split over sites. Raises ValueError where a word names
    nothing.
    """
    found = {word: [task for task in TASKS if _is_named(task, word)] for word in words}
    for word, tasks in found.items():
        if not tasks:
            known = "; ".join(task.name for task in TASKS)
            raise ValueError(f"no task is called {word}: {known}")
    wanted = {task.name for tasks in found.values() for task in tasks}
    return [task for task in TASKS if not words or task.name in wanted]


def task_of(name: str) -> Task:
    """The task of this name."""
    return next(task for task in TASKS if task.name == name)


def _is_named(task: Task, word: str) -> bool:
    family = SPLIT if word == "sites" else FAMILIES.get(word, ())
    return word.lower() in task.name.lower() or word == task.algorithm or task in family
