"""Resampling and time warping of sequences."""

import math

import torch
from torch import Tensor


def resample(x: Tensor, lengths: Tensor | None, n_steps: int) -> Tensor:
    """Interpolate each sequence linearly to `n_steps` steps of relative time.

    Shape: `x` (N, T, C), `lengths` (N,) or None; output (N, n_steps, C).
    """
    if lengths is None and x.shape[1] == n_steps:
        return x
    if lengths is None:
        lengths = torch.full((x.shape[0],), x.shape[1], device=x.device)
    relative = torch.linspace(0, 1, n_steps, device=x.device)
    return interpolate(x, relative * (lengths[:, None] - 1))


def stretch(x: Tensor, lengths: Tensor | None, n_steps: int) -> Tensor:
    """Interpolate each sequence from S steps of relative time to its own length.

    This is the inverse of `resample`. Padding repeats the last step.

    Shape: `x` (N, S, C), `lengths` (N,) or None; output (N, n_steps, C).
    """
    if lengths is None:
        return resample(x, None, n_steps)
    step = torch.arange(n_steps, device=x.device)
    relative = step / (lengths[:, None] - 1).clamp(min=1)
    return interpolate(x, relative.clamp(max=1) * (x.shape[1] - 1))


def interpolate(x: Tensor, position: Tensor) -> Tensor:
    """Interpolate each sequence linearly at fractional steps.

    Shape: `x` (N, T, C), `position` (N, S); output (N, S, C).
    """
    low = position.floor().long().clamp(max=x.shape[1] - 1)
    high = (low + 1).clamp(max=x.shape[1] - 1)
    fraction = (position - low)[:, :, None]
    index = low[:, :, None].expand(-1, -1, x.shape[2])
    below = x.gather(1, index)
    above = x.gather(1, high[:, :, None].expand(-1, -1, x.shape[2]))
    return below + fraction * (above - below)


def time_warp(
    x: Tensor, lengths: Tensor | None, strength: float, generator: torch.Generator
) -> Tensor:
    """Warp the time axis of each sequence at random.

    Relative time t becomes t + d(t), where d is a sum of three sine half-waves with
    random amplitudes. d is 0 at both ends.

    Parameters
    ----------
    x : Tensor of shape (N, T, C)
        Sequences, zero on padding.

    lengths : Tensor of shape (N,) or None
        Number of time steps of each sequence; None without padding.

    strength : float
        Maximum scale of the amplitudes, relative to the length of the sequence. Each
        row has a random scale between 0 and `strength`.

    generator : torch.Generator
        Source of every random number.

    Returns
    -------
    warped : Tensor of shape (N, T, C)
        Warped sequences, zero on padding.
    """
    n, n_steps, _ = x.shape
    if lengths is None:
        last = torch.full((n, 1), n_steps - 1)
    else:
        last = lengths[:, None].cpu() - 1
    amplitude = torch.rand(n, 1, generator=generator) * strength
    waves = torch.arange(1, 4)
    amplitude = amplitude * torch.randn(n, 3, generator=generator) / waves  # (N, 3)
    relative = torch.arange(n_steps) / last.clamp(min=1)  # (N, T), > 1 on padding
    wave = torch.sin(math.pi * relative[:, :, None] * waves)  # (N, T, 3)
    shifted = relative + (wave @ amplitude[:, :, None])[:, :, 0]
    position = shifted.clamp(0, 1) * last
    if lengths is not None:
        step = torch.arange(n_steps)  # padding is not warped
        position = torch.where(step <= last, position, step.float())
    return interpolate(x, position.to(x.device))
