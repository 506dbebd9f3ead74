"""Computations on one torch thread.

The threads of torch spin while they wait for each other: beside other busy processes, a
fit takes many times its processor time. With more threads, sums also have other bits.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _Threads:
    """Number of torch threads, restored after the last of several computations.

    torch stores the number for each Python thread, and a new thread starts with the
    number that was set last. So the number to restore is the one that the first of all
    concurrent computations found, counted under one lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = threading.local()
        self._running = 0
        self._before = 1

    @contextmanager
    def single(self) -> Iterator[None]:
        """Compute on one torch thread; also a decorator."""
        nested = getattr(self._own, "number", None)
        with self._lock:
            if self._running == 0:
                self._before = torch.get_num_threads()
            self._running += 1
            self._set(1)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                self._set(nested)

    def _set(self, number: int | None) -> None:
        self._own.number = number
        torch.set_num_threads(self._before if number is None else number)

    def after_fork(self) -> None:
        """Reset in a forked child, on one thread.

        The thread pool of torch does not survive a fork: the first operation on two
        threads would wait forever.
        """
        self.__init__()  # type: ignore[misc]
        torch.set_num_threads(1)


_threads = _Threads()
single_thread = _threads.single
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.after_fork)
