"""dask-ml: fit on a sample in memory, and encode an array of any size in chunks."""

import dask.array as da
import numpy as np
from dask_ml.wrappers import ParallelPostFit
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

X, _ = load_digits(return_X_y=True)
large = da.from_array(X, chunks=(500, -1))  # in chunks of 500 rows
pipeline = make_pipeline(
    StandardScaler(), DenseAutoencoderTransformer(n_components=8, random_state=0)
)
parallel = ParallelPostFit(pipeline).fit(X[:600])
codes = parallel.transform(large)

assert isinstance(codes, da.Array)
np.testing.assert_allclose(
    codes.compute(), parallel.estimator.transform(X), rtol=1e-5, atol=1e-5
)
