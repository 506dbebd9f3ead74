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
        lengths = torch.full((len(x),), x.shape[1], device=x.device)
    relative = torch.linspace(0, 1, n_steps, device=x.device)
    return interpolate(x, relative * (lengths[:, None] - 1))


def stretch(x: Tensor, lengths: Tensor | None, n_steps: int) -> Tensor:
    """Undo `resample`: each row of (N, S, C) to its own length, in (N, n_steps, C).

    Steps beyond a row's length repeat its last step.
    """
    if lengths is None:
        return resample(x, None, n_steps)
    step = torch.arange(n_steps, device=x.device)
    relative = step / (lengths[:, None] - 1).clamp(min=1)
    return interpolate(x, relative.clamp(max=1) * (x.shape[1] - 1))


def interpolate(x: Tensor, position: Tensor) -> Tensor:
    """Interpolate (N, T, C) at the fractional steps `position` (N, S)."""
    low = position.floor().long().clamp(max=x.shape[1] - 1)
    high = (low + 1).clamp(max=x.shape[1] - 1)
    part = (position - low)[:, :, None]
    index = low[:, :, None].expand(-1, -1, x.shape[2])
    below = x.gather(1, index)
    above = x.gather(1, high[:, :, None].expand(-1, -1, x.shape[2]))
    return below + part * (above - below)


def time_warp(
    x: Tensor, lengths: Tensor | None, strength: float, generator: torch.Generator
) -> Tensor:
    """Warp the time axis of each sequence at random.

    Relative time t becomes t + d(t), where d is a sum of three sine half-waves that is
    0 at both ends. Each row has a random strength, up to `strength` of its length.

    Shape: `x` (N, T, C), `lengths` (N,) or None; output (N, T, C), zero on padding.
    """
    n, n_steps, _ = x.shape
    if lengths is None:
        last = torch.full((n, 1), n_steps - 1)
    else:
        last = lengths[:, None].cpu() - 1
    height = torch.rand(n, 1, generator=generator) * strength
    waves = torch.arange(1, 4)
    height = height * torch.randn(n, 3, generator=generator) / waves  # (N, 3)
    relative = torch.arange(n_steps) / last.clamp(min=1)  # (N, T), over 1 on padding
    wave = torch.sin(math.pi * relative[:, :, None] * waves)  # (N, T, 3)
    shifted = relative + (wave @ height[:, :, None])[:, :, 0]
    position = shifted.clamp(0, 1) * last
    if lengths is not None:
        step = torch.arange(n_steps)  # padding is not moved
        position = torch.where(step <= last, position, step.float())
    return interpolate(x, position.to(x.device))
