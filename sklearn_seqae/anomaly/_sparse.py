"""Scores and residuals of sparse rows, without a dense copy of all rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sklearn_seqae._sequences import Samples
from sklearn_seqae.anomaly.scoring import Parts
from sklearn_seqae.large.rows import in_parts


class Residuals:
    """Residuals of sparse rows, which are computed when they are indexed.

    Parameters
    ----------
    look : callable
        Takes samples. Returns their `Parts` and their residuals.

    samples : Samples
        Sparse samples.
    """

    ndim = 2

    def __init__(self, look: Callable[..., Any], samples: Samples):
        self.look = look
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        parts = in_parts(self.samples.take(rows))
        return np.concatenate([self.look(part)[1] for part in parts])


def look_in_parts(
    look: Callable[..., Any], samples: Samples
) -> tuple[Parts, Residuals]:
    """Return the parts of sparse samples, which have codes and mean squares only.

    `look` takes samples in memory, and returns their `Parts` and their residuals.
    """
    found = [look(part)[0] for part in in_parts(samples)]
    codes = np.concatenate([part.codes for part in found])
    mean_squares = np.concatenate([part.mean_squares for part in found])
    none = np.zeros((len(codes), 0))
    return Parts(none, none, mean_squares, codes), Residuals(look, samples)
