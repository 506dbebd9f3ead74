"""
Forecast the next day
=====================

With ``objective="predict"``, the decoder forecasts the next ``horizon`` time steps. A
week of taxi demand is encoded, and the day after it is forecast. The baseline is the
same day one week before.
"""

import matplotlib.pyplot as plt
import numpy as np

from sklearn_seqae import RecurrentAutoencoderTransformer
from sklearn_seqae.datasets import load_nyc_taxi
from sklearn_seqae.windows import sliding_windows

DAY, WEEK = 48, 7 * 48
demand = load_nyc_taxi().data.ravel() / 1000
history, new = demand[: 172 * DAY], demand[172 * DAY :]

windows = sliding_windows(history, WEEK + DAY, step=8)
model = RecurrentAutoencoderTransformer(
    32, objective="predict", horizon=DAY, max_iter=6, random_state=0
).fit(windows)

# %%
# Forecast each of the last days from the week before it.

past = sliding_windows(new[:-DAY], WEEK, step=DAY)
forecast = model.predict(past).ravel()
truth, week_before = new[WEEK:], new[:-WEEK]
# The last days have holidays and a snow storm, which the week before does not show.
for name, values in {"autoencoder": forecast, "week before": week_before}.items():
    print(f"{name}: mean absolute error {1000 * abs(values - truth).mean():.0f}")

# %%
days = np.arange(len(truth)) / DAY
ax = plt.figure(figsize=(9, 3.5), layout="constrained").subplots()
ax.plot(days, truth, "0.6", label="demand")
ax.plot(days, forecast, label="forecast of the next day")
ax.set(xlabel="day", ylabel="passengers in thousands")
ax.legend()
plt.show()
