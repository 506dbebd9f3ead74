"""Loss functions for padded batches."""

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
    """Return the mean loss over the values that are not padding.

    Parameters
    ----------
    loss : str
        A key of `LOSSES`.

    output, target : Tensor of shape (N, D) or (N, T, C)
        Output of the decoder, and its target. Outputs are logits for binary
        cross-entropy.

    mask : Tensor of shape (N, T), bool, or None
        False on padding; None without padding.

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
    return total / (output.numel() if mask is None else mask.sum() * output.shape[2])


def row_losses(
    loss: str, output: Tensor, target: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Return the loss of each row, (N,), summed over its values without padding.

    The parameters are as in `masked_loss`.
    """
    each = LOSSES[loss](output, target, reduction="none")
    if mask is not None:
        each = torch.where(mask[:, :, None], each, 0)
    return each.flatten(1).sum(1)
