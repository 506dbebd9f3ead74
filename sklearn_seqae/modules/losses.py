"""Loss functions for padded batches with missing values."""

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
    loss: str,
    output: Tensor,
    target: Tensor,
    mask: Tensor | None = None,
    weights: Tensor | None = None,
    n_values: float | None = None,
) -> Tensor:
    """Return the mean loss over the observed values.

    Parameters
    ----------
    loss : str
        A key of `LOSSES`.

    output, target : Tensor of shape (N, D) or (N, T, C)
        Output of the decoder, and its target. Outputs are logits for binary
        cross-entropy.

    mask : Tensor of shape (N, T), or of the shape of `output`, bool, or None
        False on padding and where a value of the target is missing; None without them.

    weights : Tensor of shape (N,) or None
        Weights of the losses of the rows; None: all are 1.

    n_values : float or None, default=None
        Number of values by which the sum is divided, if the rows are a part of a batch;
        None: the values of these rows.

    Returns
    -------
    mean : Tensor of shape ()
    """
    if mask is None and weights is None:
        if n_values is None:
            return LOSSES[loss](output, target)
        return LOSSES[loss](output, target, reduction="sum") / n_values
    each = row_losses(loss, output, target, mask)
    total = (each if weights is None else each * weights).sum()
    if n_values is not None:
        return total / n_values
    return total / n_observed(output, mask)


def n_observed(output: Tensor, mask: Tensor | None) -> Tensor | int:
    """Return the number of values that count, at least 1; `mask` as in `masked_loss`"""
    if mask is None:
        return output.numel()
    number = mask.sum()
    return number.clamp(min=1) if mask.ndim == output.ndim else number * output.shape[2]


def row_losses(
    loss: str, output: Tensor, target: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Return the loss of each row, (N,), summed over its observed values.

    The parameters are as in `masked_loss`.
    """
    each = LOSSES[loss](output, target, reduction="none")
    if mask is not None:
        mask = mask if mask.ndim == each.ndim else mask[:, :, None]
        each = torch.where(mask, each, 0)
    return each.flatten(1).sum(1)
