"""Fitted state: numpy arrays and plain values, kept whole."""

import warnings

import torch
from sklearn.exceptions import InconsistentVersionWarning

import sklearn_seqae
from sklearn_seqae.autoencoders._trainer import Trainer, build_module


class FittedStateMixin:
    """Pickle and copy an estimator without any torch or skorch object."""

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "net_" in state:
            del state["net_"]
            weights = state.pop("module_").state_dict().items()
            state["_weights"] = {name: w.cpu().numpy() for name, w in weights}
            state["_sklearn_seqae_version"] = sklearn_seqae.__version__
        return state

    def __setstate__(self, state):
        state = dict(state)
        weights = state.pop("_weights", None)
        version = state.pop("_sklearn_seqae_version", sklearn_seqae.__version__)
        if version != sklearn_seqae.__version__:
            warnings.warn(
                InconsistentVersionWarning(
                    estimator_name=type(self).__name__,
                    current_sklearn_version=sklearn_seqae.__version__,
                    original_sklearn_version=version,
                ),
                stacklevel=2,
            )
        super().__setstate__(state)
        if weights is None:
            return
        module = build_module(self, self._architecture_, torch.Generator())
        module.load_state_dict({k: torch.tensor(w) for k, w in weights.items()})
        self.net_ = Trainer.make_net(self, module)
        self.module_ = self.net_.module_.eval()
