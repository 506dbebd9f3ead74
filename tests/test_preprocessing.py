import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
)

from sklearn_seqae.preprocessing import SequenceScaler
from tests.containers import flat, items

SCALERS = [None, RobustScaler(), MinMaxScaler(), PowerTransformer()]


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_channels_are_scaled_as_the_scaler_scales_their_steps(
    scaler, ragged, ragged_container
):
    X = ragged_container(ragged)
    model = SequenceScaler(scaler).fit(X)
    steps = np.concatenate(ragged)
    expected = clone(scaler or StandardScaler()).fit_transform(steps)
    scaled = model.transform(X)
    assert type(scaled) is type(X)
    np.testing.assert_allclose(np.concatenate(items(scaled)), expected)
    back = items(model.inverse_transform(scaled))
    np.testing.assert_allclose(np.concatenate(back), steps, atol=1e-9)


def test_all_containers_of_equal_sequences_agree(digits, equal_container):
    sequences = list(digits)
    X = equal_container(sequences)
    expected = SequenceScaler().fit_transform(digits)
    assert expected.shape == digits.shape
    scaled = SequenceScaler().fit(X).transform(X)
    np.testing.assert_allclose(np.stack(items(scaled)), expected)
    rows = flat(sequences)
    scaled = SequenceScaler(sample_shape=(-1, 3)).fit_transform(rows)
    np.testing.assert_allclose(scaled, flat(expected))


def test_inverse_transform_takes_what_lost_its_names(ragged):
    X = pd.DataFrame(np.eye(4), columns=list("abcd"))
    model = SequenceScaler().fit(X)
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X)
    model.set_output(transform="polars")
    np.testing.assert_allclose(model.inverse_transform(model.transform(X)), X)


@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_set_output_gives_data_frames_of_sequences(output, ragged, ragged_container):
    X = ragged_container(ragged)
    scaled = SequenceScaler().fit(X).set_output(transform=output).transform(X)
    assert type(scaled).__module__.startswith(output)
    assert len(scaled.columns) == 3
    again = make_pipeline(SequenceScaler(), SequenceScaler(MinMaxScaler()))
    both = again.set_output(transform=output).fit_transform(X)
    assert np.concatenate(items(both)).max() == 1
    expected = SequenceScaler().fit_transform(ragged)
    for item, x in zip(items(scaled), expected, strict=True):
        np.testing.assert_allclose(item, x)


def test_set_output_keeps_the_index(ragged):
    X = pd.Series(ragged).iloc[::-1]
    scaled = SequenceScaler().set_output(transform="pandas").fit_transform(X)
    assert scaled.index.equals(X.index)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_input_is_left_alone_and_its_dtype_kept(dtype, digits):
    X = digits.astype(dtype)
    before = X.copy()
    model = SequenceScaler(StandardScaler(copy=False)).fit(X)
    scaled = model.transform(X)
    model.inverse_transform(scaled)
    assert scaled.dtype == dtype
    np.testing.assert_array_equal(X, before)


def test_a_scaler_that_drops_channels_is_refused(digits):
    with pytest.raises(ValueError, match="must keep the number of channels"):
        SequenceScaler(PCA(2)).fit(digits).transform(digits)


def test_a_scaler_without_an_inverse_says_so(digits):
    model = SequenceScaler(FunctionTransformer(np.sqrt, inverse_func=np.square))
    scaled = model.fit_transform(digits)
    np.testing.assert_allclose(model.inverse_transform(scaled), digits, atol=1e-12)
