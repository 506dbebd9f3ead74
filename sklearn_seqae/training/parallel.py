"""Computations side by side in Python threads.

Each thread computes on one torch thread. Torch releases the lock of the interpreter, so
threads use the cores for large operations. They block while they wait, and do not spin.
The pieces of a computation do not depend on the number of threads, and their results
are joined in their order, so no result depends on it either.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from sklearn_seqae.training.isolation import as_worker, available_threads, isolated

Item = TypeVar("Item")
Result = TypeVar("Result")


class Cancelled(Exception):
    """Exception that stops a computation because another one has failed."""


def map_in_threads(
    function: Callable[[Item, threading.Event], Result], items: Iterable[Item]
) -> list[Result]:
    """Apply a function to each item, in as many threads as torch may use.

    Parameters
    ----------
    function : callable
        Function of (item, failed). It may raise `Cancelled` if the event `failed` is
        set: another item has failed, or the user has interrupted the computation.

    items : iterable
        Pieces of the computation.

    Returns
    -------
    results : list
        In the order of the items.
    """
    items, failed = list(items), threading.Event()
    n_threads = min(available_threads(), len(items))
    if n_threads < 2:
        return [function(item, failed) for item in items]

    def compute(item: Item) -> Result:
        if failed.is_set():
            raise Cancelled
        try:
            with as_worker(), isolated():
                return function(item, failed)
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(n_threads) as pool:
        # Each has a copy of the context: numpy's errstate, for example.
        futures = [pool.submit(copy_context().run, compute, item) for item in items]
        try:
            return _results([future.result for future in futures])
        except BaseException:
            failed.set()
            raise


def _results(waits: Sequence[Callable[[], Any]]) -> list[Any]:
    """Wait for all results, and raise the first error that is not `Cancelled`."""
    results, cancelled = [], None
    for wait in waits:
        try:
            results.append(wait())
        except Cancelled as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    return results
