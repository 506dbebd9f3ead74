"""scikit-learn's own workflows of PCA, in which the class name alone changes."""

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer, SequenceScaler
from tests.containers import RAGGED_CONTAINERS
from tests.instances import dense, recurrent

# `dense` and `recurrent` are the classes with small networks and few epochs.
every_model = pytest.mark.parametrize("Model", [PCA, dense, recurrent])


def prefix(Model):
    """Return how the names of the outputs begin."""
    return type(Model()).__name__.lower()


@pytest.fixture(scope="module")
def images():
    X, y = load_digits(n_class=3, return_X_y=True)
    return X[:90, 16:32], y[:90]


@pytest.fixture(scope="module")
def flowers():
    X, y = load_iris(return_X_y=True, as_frame=True)
    return X[::3], y[::3]


@every_model
@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_pipeline_in_grid_search(Model, images, n_jobs):
    pipe = Pipeline(
        [
            ("scale", StandardScaler()),
            ("reduce", Model(n_components=2)),
            ("classify", LogisticRegression()),
        ]
    )
    grid = {"reduce__n_components": [2, 4], "classify__C": [0.1, 1.0]}
    search = GridSearchCV(pipe, grid, cv=2, n_jobs=n_jobs).fit(*images)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_score_ > 0.6
    assert search.best_estimator_[:-1].transform(images[0]).shape[1] in (2, 4)


@every_model
def test_grid_search_by_its_own_score(Model, images):
    search = GridSearchCV(Model(), {"n_components": [1, 6]}, cv=2).fit(images[0])
    assert search.best_params_ == {"n_components": 6}
    assert 0 < search.best_score_ < 1 or Model is PCA  # PCA's is a log-likelihood


@every_model
def test_cross_val_score(Model, images):
    pipe = make_pipeline(StandardScaler(), Model(n_components=4), LogisticRegression())
    assert cross_val_score(pipe, *images, cv=2).mean() > 0.6


@every_model
def test_column_transformer(Model, flowers):
    X, _ = flowers
    columns = ColumnTransformer(
        [
            ("sepal", Model(n_components=1), ["sepal length (cm)", "sepal width (cm)"]),
            ("rest", StandardScaler(), ["petal length (cm)", "petal width (cm)"]),
        ]
    ).set_output(transform="pandas")
    out = columns.fit_transform(X)
    assert list(out.columns)[0] == f"sepal__{prefix(Model)}0"
    assert out.shape == (len(X), 3)
    assert out.index.equals(X.index)


@every_model
def test_feature_union(Model, flowers):
    X, y = flowers
    union = FeatureUnion([("code", Model(n_components=2)), ("scale", StandardScaler())])
    assert union.fit_transform(X, y).shape == (len(X), 6)
    assert union.get_feature_names_out()[0] == f"code__{prefix(Model)}0"


@every_model
@pytest.mark.parametrize("container", ["pandas", "polars"])
def test_set_output(Model, flowers, container):
    X, _ = flowers
    out = Model(n_components=2).set_output(transform=container).fit_transform(X)
    assert type(out).__module__.startswith(container)
    assert list(out.columns) == [f"{prefix(Model)}{i}" for i in (0, 1)]
    if container == "pandas":
        assert out.index.equals(X.index)


@every_model
def test_inverse_transform_gives_columns_back(Model, flowers):
    X, _ = flowers
    model = Model(n_components=2).fit(X.to_numpy())
    rebuilt = model.inverse_transform(model.transform(X.to_numpy()))
    assert rebuilt.shape == X.shape
    assert np.square(rebuilt - X.to_numpy()).mean() < X.to_numpy().var(axis=0).mean()


def test_the_class_name_alone_changes(images):
    scores = [
        cross_val_score(
            make_pipeline(StandardScaler(), Model(4), LogisticRegression()),
            *images,
            cv=2,
        ).mean()
        for Model in (PCA, DenseAutoencoderTransformer)
    ]
    assert scores[1] > scores[0] - 0.1


@pytest.mark.parametrize("kind", ["list", "object", "pandas"])
def test_ragged_sequences_in_grid_search(ragged, kind):
    X = RAGGED_CONTAINERS[kind](ragged)
    y = np.arange(len(ragged)) % 2
    pipe = Pipeline(
        [
            ("scale", SequenceScaler()),
            ("reduce", recurrent()),
            ("classify", LogisticRegression()),
        ]
    )
    search = GridSearchCV(pipe, {"reduce__n_components": [1, 2]}, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


@pytest.mark.parametrize("as_series", [False, True])
def test_a_column_of_sequences_beside_plain_columns(ragged, as_series):
    table = pd.DataFrame(
        {
            "age": np.linspace(20, 60, len(ragged)),
            "series": [sequence[:, 0] for sequence in ragged],
        }
    )
    # A string hands over a Series, a list a DataFrame.
    chosen = "series" if as_series else ["series"]
    columns = ColumnTransformer(
        [
            ("plain", StandardScaler(), ["age"]),
            ("code", recurrent(), chosen),
        ]
    ).set_output(transform="pandas")
    assert list(columns.fit_transform(table).columns) == [
        "plain__age",
        "code__recurrentautoencodertransformer0",
        "code__recurrentautoencodertransformer1",
    ]
