"""The only import of scikit-learn's private parameter tools.

All modules import these tools from here, so that a change in scikit-learn affects one
file only.
"""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, TypeVar

from sklearn.base import _fit_context
from sklearn.utils._param_validation import (
    HasMethods,
    Interval,
    Options,
    RealNotInt,
    StrOptions,
)

__all__ = [
    "HasMethods",
    "Integral",
    "Interval",
    "Options",
    "Real",
    "RealNotInt",
    "StrOptions",
    "fit_context",
]

Method = TypeVar("Method", bound=Callable[..., Any])


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Method], Method]:
    """Return scikit-learn's decorator of `fit` methods, which keeps their types."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)
