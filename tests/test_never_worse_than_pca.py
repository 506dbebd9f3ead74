"""With default parameters the held-out error of one split is at most 1.02 x PCA's."""

import numpy as np
import pytest
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

SMALL_SETS = {
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "linnerud": datasets.load_linnerud,
    "diabetes": datasets.load_diabetes,
    "breast_cancer": datasets.load_breast_cancer,
}
CASES = [
    (name, standardised, k)
    for name, n_features in zip(SMALL_SETS, (4, 13, 3, 10, 30), strict=True)
    for standardised in (False, True)
    for k in (2, 4, 8, 16)
    if k < n_features
]


def held_out_error(model, train, test):
    code = model.fit(train).transform(test)
    return np.square(model.inverse_transform(code) - test).sum()


@pytest.fixture(scope="module")
def ratio():
    """Held-out squared error over PCA's, computed once for each case."""
    ratios = {}

    def compute(name, standardised, k):
        key = name, standardised, k
        if key not in ratios:
            X = SMALL_SETS[name]().data
            train, test = train_test_split(X, random_state=0)
            if standardised:
                scaler = StandardScaler().fit(train)
                train, test = scaler.transform(train), scaler.transform(test)
            model = DenseAutoencoderTransformer(k, random_state=0)
            ours = held_out_error(model, train, test)
            ratios[key] = ours / held_out_error(PCA(k), train, test)
        return ratios[key]

    return compute


@pytest.mark.slow
@pytest.mark.parametrize("name, standardised, k", CASES)
def test_error_is_at_most_that_of_pca(ratio, name, standardised, k):
    assert ratio(name, standardised, k) <= 1.02


@pytest.mark.slow
def test_error_is_below_that_of_pca_on_average(ratio):
    assert np.mean([np.log(ratio(*case)) for case in CASES]) < 0


@pytest.mark.slow
@pytest.mark.parametrize("change", [lambda X: X + 1e6, lambda X: X * 1e-6])
def test_offset_and_scale_give_the_same_r2(change):
    X = datasets.load_iris().data
    r2 = DenseAutoencoderTransformer(random_state=0).fit(X).score(X)
    X = change(X)
    moved = DenseAutoencoderTransformer(random_state=0).fit(X).score(X)
    assert moved == pytest.approx(r2, abs=0.01)
