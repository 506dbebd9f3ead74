"""
Score the rows of a live series
===============================

The detector is fitted on past rows. A stream then scores new rows as they arrive, here
eight hours at a time. The score of a row depends on this and earlier rows only.
"""

import matplotlib.pyplot as plt
import pandas as pd

from sklearn_seqae import AutoencoderAnomalyDetector
from sklearn_seqae.datasets import load_nyc_taxi

series = load_nyc_taxi(as_frame=True).data
past, new = series[:"2014-10-24"], series["2014-12-22":"2015-01-03"]

detector = AutoencoderAnomalyDetector(
    window_size=96, alignment="trailing", false_alarm_rate=0.02, random_state=0
).fit(past)
stream = detector.stream(history=series[:"2014-12-21"])
updates = [stream.update(new[i : i + 16]) for i in range(0, len(new), 16)]
scored = pd.concat(updates)
print(scored["alarm"].resample("D").sum().to_string())

# %%
# The output is the number of alarms per day (of 48 half hours). Alarms continue after
# Christmas and New Year, because each window of two days still contains the event.

figure, (top, bottom) = plt.subplots(
    2, 1, figsize=(9, 4.5), sharex=True, layout="constrained"
)
top.plot(new.index, new["demand"], "0.4")
top.set_ylabel("passengers")
bottom.plot(scored.index, -scored["score"])
bottom.axhline(-detector.offset_, color="black", linestyle=":", label="threshold")
bottom.fill_between(
    scored.index, 0, 1, where=scored["alarm"], alpha=0.2, color="tab:red",
    transform=bottom.get_xaxis_transform(), label="alarm",
)  # fmt: skip
bottom.set_ylabel("minus the score")
bottom.legend(loc="upper left")
plt.show()
