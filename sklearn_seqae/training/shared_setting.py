"""Global settings of libraries that computations in several threads share."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class SharedSetting:
    """Global setting, restored after the last of several concurrent users.

    Parameters
    ----------
    change : callable
        It changes the setting, and returns a function that restores it.
    """

    def __init__(self, change: Callable[[], Callable[[], None]]):
        self._change = change
        self._lock = threading.Lock()
        self._running = 0

    @contextmanager
    def changed(self) -> Iterator[None]:
        """Compute with the changed setting; also a decorator."""
        with self._lock:
            if self._running == 0:
                self._restore = self._change()
            self._running += 1
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1
                if self._running == 0:
                    self._restore()

    def after_fork(self) -> None:
        """Reset in a forked child, where no other thread computes."""
        self.__init__(self._change)  # type: ignore[misc]
