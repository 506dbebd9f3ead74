"""Warnings that point at the line of the user."""

import os
import sys
import warnings
from pathlib import Path

import sklearn

_OWN = tuple(f"{Path(file).parent}{os.sep}" for file in (__file__, sklearn.__file__))


def warn(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the first caller outside of this package and scikit-learn."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_OWN):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
