"""Computations on one BLAS thread, without torch.

The threads of a BLAS library spin while they wait for each other: beside other busy
processes, PCA takes many times its processor time. With more threads, sums also have
other bits.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


class _BlasThreads:
    """Threads of the BLAS libraries, restored after the last of several users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running = 0
        self._limits: Any = None

    @contextmanager
    def one(self) -> Iterator[None]:
        """Compute on one BLAS thread."""
        with self._lock:
            if self._running == 0:
                self._limits = _controller().limit(limits=1, user_api="blas")
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    self._limits.restore_original_limits()


@cache
def _controller() -> Any:
    return ThreadpoolController()


_blas = _BlasThreads()
one_blas_thread = _blas.one
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas.__init__)  # type: ignore[misc]
