"""Warnings that point at the line of the user."""

import contextlib
import os
import sys
import warnings
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import sklearn

_OWN = (
    *(f"{Path(file).parent}{os.sep}" for file in (__file__, sklearn.__file__)),
    contextlib.__file__,  # calls decorated functions
)


# Warnings of a computation in a thread, where no line of the user is found.
_kept: ContextVar[list[tuple[Any, ...]] | None] = ContextVar("kept", default=None)


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the first caller outside of this package and scikit-learn."""
    kept = _kept.get()
    if kept is not None:
        kept.append((message, category))
        return
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def keep_warnings(
    function: Callable[..., Any], *arguments: Any
) -> tuple[Any, list[tuple[Any, ...]]]:
    """Return the result of a function, and the arguments of `warn` that it called."""
    kept: list[tuple[Any, ...]] = []
    token = _kept.set(kept)
    try:
        return function(*arguments), kept
    finally:
        _kept.reset(token)
