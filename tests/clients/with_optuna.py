"""Optuna: search the number of components."""

import optuna
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_seqae import DenseAutoencoderTransformer

X, y = load_wine(return_X_y=True)


def objective(trial):
    n_components = trial.suggest_int("n_components", 1, 6)
    pipeline = make_pipeline(
        StandardScaler(),
        DenseAutoencoderTransformer(n_components=n_components, random_state=0),
        LogisticRegression(),
    )
    return cross_val_score(pipeline, X, y, cv=3).mean()


sampler = optuna.samplers.TPESampler(seed=0)
study = optuna.create_study(direction="maximize", sampler=sampler)
study.optimize(objective, n_trials=4)
print(study.best_params, study.best_value)

assert study.best_value > 0.9
assert objective(optuna.trial.FixedTrial(study.best_params)) == study.best_value
