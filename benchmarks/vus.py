"""Volume under the surface of precision and recall (VUS-PR), as in TSB-AD."""

import numpy as np


def vus_pr(scores, labels, window, thresholds=250):
    """Return the volume under the precision-recall surface (Paparrizos et al., 2022).

    The labeled runs have soft edges of the lengths 0 to `window`. The result is the
    mean of the area under the curve over these lengths. Thresholds are chosen by rank,
    as in TSB-AD.
    """
    n, positives = len(scores), labels.sum()
    runs = runs_of(labels)
    order = np.argsort(-scores, kind="stable")
    cuts = scores[order][np.linspace(0, n - 1, thresholds).astype(int)]
    n_found = np.searchsorted(-scores[order], -cuts, side="right")
    hits = np.append(0, np.cumsum(labels[order]))[n_found]
    near = np.zeros(n, dtype=bool)
    for first, last in widened(runs, window // 2, n):
        near[first : last + 1] = True
    areas = []
    for width in range(window + 1):
        soft = labels.astype(float)
        reach = np.arange(1, width // 2 + 1)
        edge = np.sqrt(1 - reach / width) if width else reach
        for first, last in runs:
            for at in (last + reach, first - reach):
                inside = (at >= 0) & (at < n)
                soft[at[inside]] += edge[inside]
        soft = np.minimum(soft, 1) * near
        true = np.append(0, np.cumsum(soft[order]))[n_found]
        peaks = [scores[a : b + 1].max() for a, b in widened(runs, width // 2, n)]
        found = np.mean(np.array(peaks) >= cuts[:, np.newaxis], axis=1)
        recall = np.minimum(true / ((2 * positives + true - hits) / 2), 1) * found
        areas.append(np.sum(np.diff(recall, prepend=0) * true / n_found))
    return float(np.mean(areas))


def runs_of(labels):
    """Return the first and last time step of each run of ones."""
    edges = np.flatnonzero(np.diff(labels.astype(int), prepend=0, append=0))
    return [
        (first, end - 1) for first, end in zip(edges[::2], edges[1::2], strict=True)
    ]


def widened(runs, by, n):
    """Extend the runs at both ends, and merge runs that touch."""
    merged = [[max(runs[0][0] - by, 0), runs[0][1] + by]]
    for first, last in runs[1:]:
        if merged[-1][1] < first - by:
            merged.append([first - by, last + by])
        else:
            merged[-1][1] = last + by
    merged[-1][1] = min(merged[-1][1], n - 1)
    return merged


def period_of(x):
    """Return the period that TSB-AD uses as the width of the soft edges."""
    x = x[:20_000] - x[:20_000].mean()
    spectrum = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    curve = np.fft.irfft(spectrum)[:401]
    if curve[0] <= 0:
        return 125
    curve = curve[3:]
    peaks = np.flatnonzero((curve[1:-1] > curve[:-2]) & (curve[1:-1] > curve[2:])) + 1
    best = peaks[np.argmax(curve[peaks])] if len(peaks) else 0
    return int(best + 3) if 3 <= best <= 300 else 125
