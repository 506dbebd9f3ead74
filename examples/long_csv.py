"""
Encode sequences from a long csv file
=====================================

A long table has one row for each time step. ``sequences_from_long`` groups the rows by
the id of the sequence. Here, each day of taxi demand is one sequence; nights and some
half hours are missing, so that the days have different lengths.
"""

import io

import matplotlib.pyplot as plt
import pandas as pd

from sklearn_seqae import RecurrentAutoencoderTransformer, SequenceScaler
from sklearn_seqae.conversion import sequences_from_long
from sklearn_seqae.datasets import load_nyc_taxi
from sklearn_seqae.displays import LatentSpaceDisplay

taxi = load_nyc_taxi(as_frame=True).data.rename_axis("time").reset_index()
taxi["day"] = taxi["time"].dt.strftime("%Y-%m-%d")
taxi = taxi[taxi["time"].dt.hour >= 5].sample(frac=0.9, random_state=0)
file = io.StringIO(taxi.to_csv(index=False))

# %%
# Read the file. ``ids`` has the day of each sequence.

table = pd.read_csv(file, parse_dates=["time"])
sequences, ids, times = sequences_from_long(
    table, id="day", time="time", values="demand"
)
print(
    len(sequences),
    "sequences;",
    "lengths of the first:",
    [len(s) for s in sequences[:5]],
)

# %%
# Encode the days. Weekends and working days form two groups. The three days far from
# both are Christmas and the snow storm of 26 and 27 January.

scaled = SequenceScaler().fit_transform(sequences)
model = RecurrentAutoencoderTransformer(2, max_iter=10, random_state=0)
codes = model.fit_transform(scaled)
is_weekend = pd.DatetimeIndex(ids).day_of_week >= 5
names = ["weekend" if weekend else "Monday to Friday" for weekend in is_weekend]
LatentSpaceDisplay.from_codes(codes, names, label_name="day")
plt.show()
