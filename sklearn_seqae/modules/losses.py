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

    Returns
    -------
    mean : Tensor of shape ()
    """
    if mask is None and weights is None:
        return LOSSES[loss](output, target)
    n_values = output.numel() if mask is None else mask.sum() * output.shape[2]
    each = row_losses(loss, output, target, mask)
    return (each if weights is None else each * weights).sum() / n_values


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
