"""Number of torch threads, determined by the amount of work."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Minimum number of multiply-adds per thread. With less, synchronizing the threads takes
# longer than the computation, above all if other processes use the cores.
WORK_PER_THREAD = 20_000_000


class _ThreadLimit:
    """Limit of the number of threads while computations run.

    torch stores the number of threads for each Python thread. A new Python thread
    starts with the number that was set last by any thread. A thread that starts while
    another one computes would therefore read, and later restore, the limit of the other
    one. So the number to restore is read when no computation runs, under one lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._n_running = 0
        self._default = 1

    @contextmanager
    def limit(self, work: float) -> Iterator[None]:
        """Set the number of threads within a context.

        Parameters
        ----------
        work : float
            Number of multiply-adds per batch. The number of threads is at most one per
            `WORK_PER_THREAD` of them, at least 1, and at most the number outside.
        """
        outer = getattr(self._local, "number", None)
        with self._lock:
            if self._n_running == 0:
                self._default = torch.get_num_threads()
            self._n_running += 1
            number = max(1, min(self._default, int(work / WORK_PER_THREAD)))
            self._set(number)
        try:
            yield
        finally:
            with self._lock:
                self._n_running -= 1
                self._set(outer)

    def _set(self, number: int | None) -> None:
        self._local.number = number
        torch.set_num_threads(self._default if number is None else number)

    def reset_after_fork(self) -> None:
        """Reset the state in a forked process, and use one thread.

        The pool of threads of torch does not exist in the new process. An operation
        with two threads would never return.
        """
        self.__init__()  # type: ignore[misc]
        torch.set_num_threads(1)


_thread_limit = _ThreadLimit()
lend_threads = _thread_limit.limit
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_thread_limit.reset_after_fork)
