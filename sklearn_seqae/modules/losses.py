"""Losses: functions of (output, target, mask) that know no module."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

LOSSES: dict[str, Callable[..., Tensor]] = {
    "squared_error": F.mse_loss,
    "absolute_error": F.l1_loss,
    "huber": F.huber_loss,
    "binary_cross_entropy": F.binary_cross_entropy_with_logits,
}


def masked_loss(
    loss: str, output: Tensor, target: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Mean loss over the real values.

    Parameters
    ----------
    loss : str
        A key of `LOSSES`.

    output, target : Tensor of shape (N, D) or (N, T, C)
        Output of the decoder (logits for binary cross-entropy), and what it
        should have been.

    mask : Tensor of shape (N, T), bool, or None
        True on real steps; None where there is no padding.

    Returns
    -------
    mean : Tensor of shape ()
    """
    if mask is None:
        return LOSSES[loss](output, target)
    each = LOSSES[loss](output, target, reduction="none").sum(2)
    return torch.where(mask, each, 0).sum() / (mask.sum() * output.shape[2])


def row_losses(
    loss: str, output: Tensor, target: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Loss of each row, summed over its real values: (N,).

    Parameters are those of `masked_loss`.
    """
    each = LOSSES[loss](output, target, reduction="none")
    if mask is not None:
        each = torch.where(mask[:, :, None], each, 0)
    return each.flatten(1).sum(1)
