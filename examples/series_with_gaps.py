"""
Detect anomalies in a series with gaps
======================================

A sensor records the temperature of a machine every ten minutes, except at night and at
weekends. The recorder also failed for four days. The detector learns the regular breaks
of the series: nights and weekends are not gaps, but the failure is a gap. No window
spans it.

As a script, the example takes the folder of the figure as its first argument,
``series_output`` by default.
"""

# %%
# Generate the series
# -------------------
# The machine has a cycle of eight hours. After the failure it overheats for two hours.

import sys
from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
times = pd.date_range("2026-03-02", "2026-05-08", freq="10min")
times = times[(times.day_of_week < 5) & (times.hour >= 6) & (times.hour < 22)]
cycle = 2 * np.pi * (times.hour - 6 + times.minute / 60) / 8
series = pd.DataFrame(
    {
        "temperature": 60 + 5 * np.sin(cycle) + 0.3 * rng.normal(size=len(times)),
        "current": 12 + np.cos(cycle) + 0.1 * rng.normal(size=len(times)),
    },
    index=times,
)
training = series[:"2026-04-10"]
new = series["2026-04-13":]
new = new.drop(new["2026-04-21":"2026-04-24"].index)
new.loc["2026-04-29 12:00":"2026-04-29 14:00", "temperature"] += 8

# %%
# Fit the detector and find the intervals
# ---------------------------------------
# A window covers four hours. With ``alignment="trailing"``, a score depends on the past
# only, so new rows can be scored when they arrive. ``scaler="standard"`` scales the two
# channels inside the detector. A warning names the gap. A false alarm has a score close
# to the threshold; ``min_drop`` removes such intervals.

from sklearn_seqae import AutoencoderAnomalyDetector

detector = AutoencoderAnomalyDetector(
    window_size=24,
    alignment="trailing",
    scaler="standard",
    contamination=0.001,
    random_state=0,
)
detector.fit(training)
intervals = detector.detect_intervals(new, min_drop=0.5)
print(intervals.to_string())
print(detector.explain(new, n_causes=1).to_string())

# %%
# The rows of the last window (four hours) are enough to score the newest row of a
# running series. Here, five hours are passed.

newest = detector.score_samples(new["2026-04-29 08:00":"2026-04-29 13:00"]).iloc[-1]
print(f"score at 13:00: {newest:.2f}, threshold {detector.offset_:.2f}")

# %%
# Draw the scores
# ---------------

import matplotlib.pyplot as plt

from sklearn_seqae.displays import AnomalyScoreDisplay

display = AnomalyScoreDisplay.from_estimator(detector, new, features=True)
folder = Path(sys.argv[1] if len(sys.argv) > 1 else "series_output")
folder.mkdir(exist_ok=True)
display.figure_.savefig(folder / "series.png", dpi=80)
plt.show()
