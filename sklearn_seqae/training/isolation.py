"""Computations that do not depend on the global settings of torch.

All computations use one torch thread. The threads of torch spin while they wait for
each other: beside other busy processes, a fit takes many times its processor time. With
more threads, sums also have other bits. Computations are in float32, with gradients
where they are needed, whatever the default dtype, the default device and the contexts
around the call.
"""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

import torch

from sklearn_seqae.training.shared_setting import SharedSetting


class _Threads:
    """Number of torch threads, restored after the last of several users.

    torch stores the number of threads for each Python thread, and a new thread starts
    with the number that was set last. So the number to restore is the one that the
    first of all concurrent computations found, counted under one lock.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own = threading.local()
        self._running = 0
        self._before = 1

    @contextmanager
    def single(self) -> Iterator[None]:
        """Compute on one torch thread."""
        nested = getattr(self._own, "number", None)
        if nested is None and not self.is_worker:
            self._own.available = torch.get_num_threads()
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

    @property
    def is_worker(self) -> bool:
        """Whether this thread computes a piece of a computation."""
        return getattr(self._own, "is_worker", False)

    def available(self) -> int:
        """Return the number of threads that this thread may start."""
        if self.is_worker:
            return 1
        if getattr(self._own, "number", None) is None:
            return torch.get_num_threads()
        number: int = self._own.available
        return number

    @contextmanager
    def as_worker(self) -> Iterator[None]:
        """Mark this thread as one that may not start others."""
        self._own.is_worker = True
        try:
            yield
        finally:
            self._own.is_worker = False

    def _set(self, number: int | None) -> None:
        self._own.number = number
        # The first call in a thread takes over the number that was set last.
        torch.get_num_threads()
        torch.set_num_threads(self._before if number is None else number)

    def after_fork(self) -> None:
        """Reset in a forked child, on one thread.

        The thread pool of torch does not survive a fork: the first operation on two
        threads would wait forever.
        """
        self.__init__()  # type: ignore[misc]
        torch.set_num_threads(1)


def _use_float32() -> Callable[[], None]:
    """Make float32 the default dtype, and return how to restore the dtype."""
    before = torch.get_default_dtype()
    if before != torch.float32:
        torch.set_default_dtype(torch.float32)
        return partial(torch.set_default_dtype, before)
    return lambda: None


_threads, _dtype = _Threads(), SharedSetting(_use_float32)
available_threads = _threads.available
as_worker = _threads.as_worker
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_threads.after_fork)
    os.register_at_fork(after_in_child=_dtype.after_fork)


@contextmanager
def isolated() -> Iterator[None]:
    """Compute on one thread and independently of torch's modes; also a decorator.

    Raises
    ------
    MemoryError
        If torch cannot allocate memory.
    """
    with ExitStack() as stack:
        stack.enter_context(_threads.single())
        stack.enter_context(_dtype.changed())
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for device_type in ("cpu", "cuda"):
            if torch.is_autocast_enabled(device_type):
                stack.enter_context(torch.autocast(device_type, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        try:
            yield
        except RuntimeError as error:
            if not _is_out_of_memory(error):
                raise
            raise MemoryError(
                "The network and its batches need more memory than is available: use "
                "fewer units in 'hidden_layer_sizes', a smaller 'batch_size', or fewer "
                f"features. torch says: {error}"
            ) from error


def _is_out_of_memory(error: RuntimeError) -> bool:
    is_of_cpu = "allocate memory" in str(error) or "not enough memory" in str(error)
    return is_of_cpu or isinstance(error, torch.OutOfMemoryError)
