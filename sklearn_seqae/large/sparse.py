"""Parse sparse matrices and arrays."""

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.utils import check_array

from sklearn_seqae._containers import Container
from sklearn_seqae._sequences import Samples
from sklearn_seqae.large.rows import LARGE, Rows, is_large

FORM = "sparse"  # of the container of samples


def is_sparse(X: Any) -> bool:
    """Return whether X, or the samples that were parsed from X, are sparse."""
    return X.container.form == FORM if isinstance(X, Samples) else issparse(X)


def refuse_sparse(X: Any, name: str) -> None:
    """Raise a TypeError for sparse X, in scikit-learn's words."""
    if is_sparse(X):
        check_array(X, estimator=name, input_name="X")


def read_sparse(X: Any, *, name: str) -> Samples:
    """Read a sparse table, as an array if it is small.

    Parameters
    ----------
    X : sparse matrix or array of shape (n_samples, n_features)
        Values in any format.

    name : str
        Class of the estimator, for messages.

    Returns
    -------
    samples : Samples
        The values are an array, or `Rows` if X is large.
    """
    if X.dtype.kind == "c":
        raise ValueError(f"Complex data not supported\n{X!r}\n")
    matrix = check_array(
        X,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan",
        estimator=name,
        input_name="X",
    )
    container = Container("table", FORM)
    if not is_large(matrix.shape):
        return Samples(matrix.toarray(), None, container)
    if np.isnan(matrix.data).any():
        raise ValueError(
            f"Input X contains NaN. {name} reads missing values of sparse X only if X "
            f"has at most {LARGE} entries, zeros included. Impute them first, for "
            "example with SimpleImputer."
        )
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    values: Any = Rows(matrix)
    return Samples(values, None, container)
