"""Other training and test rows of a problem of `representation.py`."""

from dataclasses import replace

import numpy as np
from sklearn.model_selection import train_test_split


def take(X, rows):
    """Select rows of an array or of a list."""
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]


def divided(problem, parts):
    """Return the problem with other rows and labels."""
    names = ("X_train", "X_test", "y_train", "y_test")
    return replace(problem, **dict(zip(names, parts, strict=True)))


def training_part(problem, seed):
    """Return the training rows of the problem, with 30 % of them as the test part."""
    rows = np.arange(len(problem.X_train))
    if problem.is_ordered:
        train, test = np.split(rows, [round(0.7 * len(rows))])
    else:
        train, test = train_test_split(rows, test_size=0.3, random_state=seed)
    X, y = problem.X_train, problem.y_train
    labels = (None, None) if y is None else (y[train], y[test])
    return divided(problem, (take(X, train), take(X, test), *labels))


def later_rows(X, seed):
    """Return the first 50 to 70 % of the rows (seeds 1 to 5), and the next 25 %."""
    if seed > 5:
        raise ValueError(f"Rows ordered in time have the splits 0 to 5, not {seed}.")
    end = round((0.45 + 0.05 * seed) * len(X))
    return X[:end], X[end : end + round(0.25 * len(X))]


def resampled(problem, seed):
    """Return the problem with other training and test rows, as many as before.

    Rows are stratified by class if each class has a row for both parts.
    """
    if seed == 0:
        return problem
    n_train, labels = len(problem.X_train), None
    if isinstance(problem.X_train, list):
        X = [*problem.X_train, *problem.X_test]
    else:
        X = np.concatenate([problem.X_train, problem.X_test])
    if problem.is_ordered:
        return divided(problem, (*later_rows(X, seed), None, None))
    n_test = len(X) - n_train
    if problem.y_train is not None:
        labels = np.concatenate([problem.y_train, problem.y_test])
        counts = np.unique(labels, return_counts=True)[1]
        is_possible = counts.min() > 1 and len(counts) <= min(n_train, n_test)
    stratify = labels if labels is not None and is_possible else None
    train, test = train_test_split(
        np.arange(len(X)), train_size=n_train, stratify=stratify, random_state=seed
    )
    parts = (None, None) if labels is None else (labels[train], labels[test])
    return divided(problem, (take(X, train), take(X, test), *parts))
