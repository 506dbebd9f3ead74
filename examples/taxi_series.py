"""
Detect anomalies in a time series
=================================

The demand for taxis in New York is measured every half hour. The detector treats the
rows as time steps, and returns the intervals of the alarms with their times.
"""

import matplotlib.pyplot as plt

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.datasets import load_nyc_taxi
from sklearn_seqae.displays import AnomalyScoreDisplay

demand, labels = load_nyc_taxi(return_X_y=True, as_frame=True)
detector = AutoencoderAnomalyDetector(
    window_size=96, step=4, contamination=0.1, random_state=0
).fit(demand)
print(detector.detect_intervals(demand).round(1).to_string())

# %%
# Alarms are shaded, and so are the labeled events: the marathon, Thanksgiving,
# Christmas, New Year and a snow storm. `fit` received no labels. ``contamination=0.1``
# is the share of the time steps that the benchmark labels as anomalous. The guide to
# `series <../series.html>`_ describes the options.

display = AnomalyScoreDisplay.from_estimator(detector, demand, labels=labels)
display.figure_.set_size_inches(9, 5)
plt.show()
