"""Videos as sequences of frames."""

import numpy as np
import pytest
from sklearn.frozen import FrozenEstimator

from sklearn_seqae import AutoencoderAnomalyDetector, SequenceScaler
from sklearn_seqae.persistence import load, save
from tests.instances import classifier, recurrent

SHAPES = [(4, 5), (3, 4, 2)]
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


@pytest.fixture
def videos(shape):
    """Videos with a moving bright row."""
    random = np.random.RandomState(0)
    X = random.normal(scale=0.1, size=(40, 6, *shape))
    for video in X:
        start = random.randint(shape[0])
        for step, frame in enumerate(video):
            frame[(start + step) % shape[0]] += 1
    return X


@each_shape
def test_codes_are_those_of_the_flat_frames(videos, shape):
    model = recurrent().fit(videos)
    flat = videos.reshape(40, 6, -1)
    assert model.n_features_in_ == flat.shape[2]
    assert (model.transform(videos) == recurrent().fit(flat).transform(flat)).all()


@each_shape
def test_what_is_returned_has_the_shape_of_the_videos(videos, shape, tmp_path):
    model = recurrent().fit(videos)
    assert model.reconstruct(videos).shape == videos.shape
    decoded = model.inverse_transform(model.transform(videos))
    assert decoded == pytest.approx(model.reconstruct(videos), abs=1e-5)
    assert SequenceScaler().fit_transform(videos).shape == videos.shape
    gaps = videos.copy()
    gaps[3, 2, 1] = np.nan
    imputed = model.impute(gaps)
    assert imputed.shape == videos.shape and np.isfinite(imputed).all()
    forecaster = recurrent(objective="predict", horizon=2).fit(videos)
    assert forecaster.predict(videos).shape == (40, 2, *shape)


@each_shape
def test_lists_hold_videos_of_several_lengths(videos, shape):
    X = [video[: 3 + i % 4] for i, video in enumerate(videos)]
    model = recurrent().fit(X)
    codes = recurrent().fit([x.reshape(len(x), -1) for x in X])
    assert (
        model.transform(X) == codes.transform([x.reshape(len(x), -1) for x in X])
    ).all()
    assert [x.shape for x in model.reconstruct(X)] == [x.shape for x in X]


@each_shape
def test_a_detector_and_a_classifier_read_them(videos, shape):
    detector = AutoencoderAnomalyDetector(recurrent(), random_state=0).fit(videos)
    other = videos.copy()
    other[0] = other[0][::-1]
    scores = detector.score_samples(other)
    assert scores[0] == scores.min()
    frozen = FrozenEstimator(recurrent().fit(videos))
    around = AutoencoderAnomalyDetector(frozen, random_state=0).fit(videos)
    assert around.score_samples(other)[0] == around.score_samples(other).min()
    labels = np.arange(40) % 2
    fitted = classifier(recurrent()).fit(videos, labels)
    assert fitted.predict(videos).shape == (40,)


@each_shape
def test_a_file_keeps_the_shape_of_the_frames(videos, shape, tmp_path):
    model = recurrent().fit(videos)
    save(model, tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert (loaded.reconstruct(videos) == model.reconstruct(videos)).all()


@each_shape
@pytest.mark.parametrize(
    "change",
    [lambda X: X.reshape(40, 6, -1), lambda X: X.swapaxes(2, 3), lambda X: X[:, :, 1:]],
    ids=["flat", "swapped", "smaller"],
)
def test_other_frames_than_those_of_fit_are_refused(videos, shape, change):
    model = recurrent().fit(videos)
    with pytest.raises(ValueError, match="X has .* is expecting"):
        model.transform(change(videos))
