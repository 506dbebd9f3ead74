"""Number of torch threads, depending on the amount of work."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# Multiply-adds per thread below which handing work to another thread costs more
# than it saves: small networks slow down many times when a core is busy.
WORK_PER_THREAD = 20_000_000


class _Threads:
    """The number of threads, lent to the computations under way.

    torch keeps the number for each Python thread, and gives a new one the number
    that was set last. So a thread that saved what it found while another was
    computing would put back the other's; the number to put back is the one that
    the first of all found, counted under one lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = threading.local()
        self._borrowers = 0
        self._before = 1

    @contextmanager
    def lend(self, work: float) -> Iterator[None]:
        """Compute with as many threads as `work` multiply-adds a batch deserve."""
        nested = getattr(self._own, "number", None)
        with self._lock:
            if self._borrowers == 0:
                self._before = torch.get_num_threads()
            self._borrowers += 1
            number = max(1, min(self._before, int(work / WORK_PER_THREAD)))
            self._set(number)
        try:
            yield
        finally:
            with self._lock:
                self._borrowers -= 1
                self._set(nested)

    def _set(self, number: int | None) -> None:
        self._own.number = number
        torch.set_num_threads(self._before if number is None else number)

    def after_fork(self) -> None:
        """Start anew in a forked child, on one thread.

        torch's pool of threads does not survive a fork: the first operation that
        wants two of them would wait for ever.
        """
        self.__init__()  # type: ignore[misc]
        torch.set_num_threads(1)


_threads = _Threads()
lend_threads = _threads.lend
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.after_fork)
