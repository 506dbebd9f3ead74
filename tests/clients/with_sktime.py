"""sktime: reduce the channels of a multivariate time series, and forecast them."""

import numpy as np
import pandas as pd
from sktime.forecasting.compose import TransformedTargetForecaster
from sktime.forecasting.naive import NaiveForecaster
from sktime.transformations.series.adapt import TabularToSeriesAdaptor

from sklearn_seqae import DenseAutoencoderTransformer

rng = np.random.default_rng(0)
months = pd.period_range("2000-01", periods=120, freq="M")
season = 2 * np.pi * np.arange(120) / 12
channels = {f"sensor {k}": np.sin(season + k) for k in range(6)}
series = pd.DataFrame(channels, index=months) + rng.normal(0, 0.1, size=(120, 6))

model = DenseAutoencoderTransformer(n_components=2, random_state=0)
codes = TabularToSeriesAdaptor(model).fit_transform(series)
print(codes.head())

assert codes.shape == (120, 2)
assert codes.index.equals(months)

forecaster = TransformedTargetForecaster(
    [("codes", TabularToSeriesAdaptor(model)), ("naive", NaiveForecaster(sp=12))]
)
year = forecaster.fit(series[:-12]).predict(fh=range(1, 13))
error = np.abs(year.to_numpy() - series[-12:].to_numpy()).mean()
print(error)

assert year.index.equals(months[-12:])
assert error < 0.2  # the noise has a standard deviation of 0.1
