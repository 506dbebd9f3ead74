"""scikit-learn's callbacks and skorch's, told of the epochs."""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import EarlyStopping

from sklearn_seqae import DenseAutoencoderTransformer
from tests.instances import dense, recurrent

sklearn_callback = pytest.importorskip("sklearn.callback")
every_model = pytest.mark.parametrize("make", [dense, recurrent])


class Diary:
    """Write down the tasks that end; stop the training after some epochs."""

    def __init__(self, stop_after=np.inf):
        self.stop_after = stop_after
        self.begun, self.ended, self.scores = [], [], []

    def setup(self, estimator, context):
        self.context = context

    def teardown(self, estimator, context):
        self.context = None

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context, *, X, fitted_estimator):
        self.ended.append(context.task_name)
        self.scores.append(fitted_estimator.score(X))
        return context.task_name == "epoch" and context.task_id + 1 >= self.stop_after


@every_model
def test_trainings_and_epochs_are_tasks(make, wine):
    diary = Diary()
    model = make(max_iter=3).set_callbacks(diary).fit(wine)
    n_folds = diary.begun.count("selection")
    assert n_folds in (1, 2)  # the second one is left out where a gain is unlikely
    n_epochs = n_folds * 3 + model.best_epoch_  # then all rows
    tasks = ["fit", *["selection"] * n_folds, "training", *["epoch"] * n_epochs]
    assert sorted(diary.begun) == sorted(diary.ended) == sorted(tasks)
    trainings = [task for task in diary.begun if task in ("selection", "training")]
    assert trainings == ["selection"] * n_folds + ["training"]
    assert diary.context is None


def test_the_fitted_estimator_of_a_task_is_what_fit_would_have_left(wine):
    diary = Diary()
    model = dense(max_iter=3, early_stopping=False).set_callbacks(diary).fit(wine)
    assert len(diary.scores) == 3 + 2
    assert diary.scores[-1] == diary.scores[-3] == model.score(wine)
    assert len(set(diary.scores[:3])) == 3


def test_callbacks_change_nothing(wine):
    plain = dense(max_iter=3).fit(wine)
    told = dense(max_iter=3).set_callbacks(Diary()).fit(wine)
    np.testing.assert_array_equal(plain.transform(wine), told.transform(wine))
    assert set(vars(told)) - set(vars(plain)) == {"_skl_callbacks"}


def test_without_callbacks_an_epoch_calls_nobody(wine):
    model = dense(max_iter=1, early_stopping=False).fit(wine)
    assert [name for name, _ in model.net_.callbacks_] == ["epoch_timer"]


def test_a_callback_that_returns_true_stops_the_training(wine):
    model = dense(max_iter=5, early_stopping=False)
    assert model.set_callbacks(Diary(stop_after=2)).fit(wine).n_iter_ == 2
    assert model.set_callbacks().fit(wine).n_iter_ == 5


@pytest.mark.parametrize("validation_data", [False, True])
def test_a_callback_may_monitor_the_validation_loss(wine, validation_data):
    stop = EarlyStopping("valid_loss", patience=1, threshold=0.99, sink=lambda _: None)
    model = dense(max_iter=20, skorch_callbacks=[stop])
    options = {"validation_data": (wine[120:],)} if validation_data else {}
    assert model.fit(wine[:120], **options).n_iter_ < 20


def test_a_callback_may_not_monitor_the_validation_loss_without_validation(wine):
    model = dense(early_stopping=False, skorch_callbacks=[EarlyStopping()])
    with pytest.raises(ValueError, match="EarlyStopping monitors 'valid_loss'"):
        model.fit(wine)


def test_a_fit_that_fails_tears_its_callbacks_down(wine):
    class Faulty(Diary):
        def on_fit_task_end(self, estimator, context):
            raise RuntimeError("on purpose")

    faulty = Faulty()
    model = dense().set_callbacks(faulty)
    with pytest.raises(RuntimeError, match="on purpose"):
        model.fit(wine)
    assert faulty.context is None
    assert not hasattr(model, "net_")


def test_the_scoring_monitor_scores_each_epoch(wine):
    scoring = {"score": lambda model, X, y: model.score(X, y)}
    monitor = sklearn_callback.ScoringMonitor(scoring=scoring)
    dense(max_iter=3, early_stopping=False).set_callbacks(monitor).fit(wine)
    log = monitor.get_logs().data_as_pandas
    scores = log.loc[log["task_name"] == "epoch", "score"]
    assert len(scores) == 3
    assert np.isfinite(scores).all()


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_the_progress_bar_reaches_the_end_through_a_search(
    n_jobs, wine, capsys, monkeypatch
):
    pytest.importorskip("rich")
    monkeypatch.setattr("rich._console", None)  # that of an earlier test is narrow
    monkeypatch.setenv("COLUMNS", "200")
    model = dense(max_iter=2, early_stopping=False)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model),
        {"denseautoencodertransformer__n_components": [1, 2]},
        cv=2,
        n_jobs=n_jobs,
    )
    bar = sklearn_callback.ProgressBar(max_propagation_depth=None)
    search.set_callbacks(bar).fit(wine)
    printed = capsys.readouterr().out
    assert f"{DenseAutoencoderTransformer.__name__} - fit" in printed
    assert "100%" in printed


@every_model
def test_nothing_is_printed_by_default(make, wine, capsys):
    make().fit(wine)
    assert capsys.readouterr() == ("", "")
