"""Computations on one BLAS thread, without torch.

The threads of a BLAS library spin while they wait for each other: beside other busy
processes, PCA takes many times its processor time. With more threads, sums also have
other bits.
"""

import os
from collections.abc import Callable
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController

from sklearn_seqae.training.shared_setting import SharedSetting


@cache
def _controller() -> Any:
    return ThreadpoolController()


def _limit() -> Callable[[], None]:
    """Limit the BLAS threads to one, and return how to restore their number."""
    limits = _controller().limit(limits=1, user_api="blas")
    restore: Callable[[], None] = limits.restore_original_limits
    return restore


_blas = SharedSetting(_limit)
one_blas_thread = _blas.changed
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_blas.after_fork)
