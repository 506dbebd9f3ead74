"""Computations side by side in Python threads.

Each thread computes on one torch thread. Torch releases the lock of the interpreter, so
threads use the cores for large operations. They block while they wait, and do not spin.
The pieces of a computation do not depend on the number of threads, and their results
are joined in their order, so no result depends on it either.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from sklearn_seqae.training.isolation import as_worker, available_threads, isolated

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancelled(Exception):
    """Exception that stops a computation because another one has failed."""


class Threads:
    """Python threads that are kept between computations.

    They are started at the first computation that can use more than one, as many as
    torch may use. `close` ends them.
    """

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    def map(
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> list[Result]:
        """Apply a function to each item. The results are in the order of the items."""
        n_threads = available_threads()
        if n_threads < 2 or len(items) < 2:
            return [function(item) for item in items]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(n_threads)
        return _results(_submit(self._pool, function, items))

    def close(self) -> None:
        """Wait for the threads, and end them."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
        self._pool = None


def map_in_threads(
    function: Callable[[Item, threading.Event], Result],
    items: Iterable[Item],
    n_threads: int | None = None,
) -> list[Result]:
    """Apply a function to each item, in as many threads as torch may use.

    Parameters
    ----------
    function : callable
        Function of (item, failed). It may raise `Cancelled` if the event `failed` is
        set: another item has failed, or the user has interrupted the computation.

    items : iterable
        Pieces of the computation.

    n_threads : int or None, default=None
        Number of threads; None for as many as torch may use.

    Returns
    -------
    results : list
        In the order of the items.
    """
    items, failed = list(items), threading.Event()
    n_threads = min(n_threads or available_threads(), len(items))
    if n_threads < 2:
        return [function(item, failed) for item in items]

    def compute(item: Item) -> Result:
        if failed.is_set():
            raise Cancelled
        try:
            return function(item, failed)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(n_threads) as pool:
        try:
            return _results(_submit(pool, compute, items))
        except BaseException:
            failed.set()
            raise


def _submit(
    pool: ThreadPoolExecutor, function: Callable[..., Any], items: Sequence[Any]
) -> list[Future[Any]]:
    """Start the computations, each on one torch thread."""

    def compute(item: Any) -> Any:
        with as_worker(), isolated():
            return function(item)

    # Each has a copy of the context: numpy's errstate, for example.
    return [pool.submit(copy_context().run, compute, item) for item in items]


def _results(futures: Sequence[Future[Any]]) -> list[Any]:
    """Wait for all results, and raise the first error that is not `Cancelled`."""
    results, cancelled = [], None
    for future in futures:
        try:
            results.append(future.result())
        except Cancelled as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return results
