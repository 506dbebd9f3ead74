"""Results of a fit: attributes, and summaries as text, HTML and tables."""

from html import escape
from typing import Any

import numpy as np
import torch

from sklearn_seqae.autoencoders._warnings import warn_if_no_better, warn_if_not_reached
from sklearn_seqae.fitting.jacobian import code_of_mean, mean_jacobian
from sklearn_seqae.fitting.selection import explained

MOST_LAYERS = 60  # maximum number of layers in the table
MOST_POINTS = 150  # maximum number of points of a curve
WIDTH, HEIGHT = 320, 90  # of the loss curve, in pixels
LOG_FROM = 10  # ratio of the largest to the smallest loss


def store_selection(estimator, selection):
    """Store the results of the model selection, if there was one."""
    if selection is None:
        estimator.n_iter_ = estimator.best_epoch_ = len(estimator.loss_curve_)
        estimator.validation_scores_ = estimator.best_validation_score_ = None
        estimator.validation_loss_curve_ = estimator.held_out_r2_ = None
        return
    estimator.n_iter_ = selection.n_epochs
    estimator.best_epoch_ = selection.best_epoch()
    estimator.validation_loss_curve_ = selection.valid_losses.tolist()
    estimator.validation_scores_ = selection.scores.tolist()
    best = estimator.validation_scores_[estimator.best_epoch_]
    estimator.best_validation_score_ = best
    estimator.held_out_r2_ = selection.r2()
    if selection.has_variance and not selection.is_penalized:
        is_forecast = estimator.model_.objective == "predict"
        does = "forecasts" if is_forecast else "reconstructs"
        warn_if_no_better(type(estimator).__name__, estimator.held_out_r2_, does)


def store_order(estimator, selection, samples):
    """Store the explained variance, and truncate the code to reach a fraction."""
    model, pca = selection.r2_by_size()
    fraction = estimator.model_.config.fraction
    if fraction is not None:
        reached = np.flatnonzero(model >= fraction)
        if len(reached):
            estimator.n_components_ = int(reached[0]) + 1
            estimator.model_ = estimator.model_.with_components(estimator.n_components_)
        else:
            warn_if_not_reached(type(estimator).__name__, fraction, model[-1])
    variance = estimator.model_.scaling.total_variance(samples)
    kept = slice(estimator.n_components_)
    estimator.explained_variance_ratio_ = np.diff(model, prepend=0)[kept]
    estimator.explained_variance_ = estimator.explained_variance_ratio_ * variance
    estimator.pca_explained_variance_ratio_ = np.diff(pca, prepend=0)[kept]


def text_of(estimator):
    """Return layers, epochs and validation R² beside PCA's as text."""
    facts, layers = facts_of(estimator), layers_of(estimator.module_)
    width = max(len(name) for name, _ in facts)
    lines = [type(estimator).__name__]
    lines += [f"  {name:<{width}}  {value}" for name, value in facts]
    rows = [("layer", "type", "shapes", "parameters"), *layers]
    sizes = [max(len(row[i]) for row in rows) for i in range(4)]
    for *texts, count in rows:
        cells = [text.ljust(n) for text, n in zip(texts, sizes, strict=False)]
        lines.append("  " + "  ".join([*cells, count.rjust(sizes[3])]))
    return "\n".join(lines)


def graph_of(estimator):
    """Return the network as a graphviz.Digraph."""
    name = type(estimator).__name__
    try:
        from torchview import draw_graph
    except ImportError as error:
        raise ImportError(
            f"{name}.architecture requires torchview and graphviz. You can install "
            "them with `pip install 'sklearn-seqae[diagram]'`"
        ) from error
    model = estimator.model_
    shape = [1, model.spec.n_steps, model.spec.n_features]
    sizes = [n for n in shape if n is not None]
    sample = torch.zeros(sizes, dtype=torch.float32, device=model.device)
    return draw_graph(
        model.module,
        input_data=sample,
        graph_name=name,
        depth=3,
        expand_nested=True,
        device=str(model.device),
    ).visual_graph


def facts_of(estimator):
    """Return pairs of a name and a value that describe a fitted estimator."""
    spec = estimator.model_.spec
    unit = "features" if spec.n_steps is None else "channels"
    n_parameters = sum(w.numel() for w in estimator.module_.parameters())
    code = f"{spec.n_features} {unit} to {estimator.n_components_} "
    facts = [
        (
            "latent code",
            code + ("component" if estimator.n_components_ == 1 else "components"),
        )
    ]
    if estimator.held_out_r2_ is None:
        facts.append(("epochs", f"{estimator.n_iter_}"))
    else:
        model, pca = estimator.held_out_r2_["model"], estimator.held_out_r2_["pca"]
        facts.append(("validation R²", f"{model:.4f} (PCA {pca:.4f})"))
        epochs = f"{estimator.n_iter_} (best epoch {estimator.best_epoch_})"
        facts.append(("epochs", epochs))
    if hasattr(estimator, "_seconds"):  # not after loading
        facts.append(("seconds", f"{estimator._seconds:.1f}"))
    facts.append(("parameters", f"{n_parameters:,}"))
    return facts


def layers_of(module):
    """Return name, type, shapes of the weights and their number for each layer."""
    layers = []
    for name, part in module.named_modules():
        weights = list(part.parameters(recurse=False))
        if weights:
            shapes = ["x".join(map(str, w.shape)) for w in weights if w.ndim > 1]
            number = f"{sum(w.numel() for w in weights):,}"
            layers.append((name, type(part).__name__, ", ".join(shapes), number))
    if len(layers) > MOST_LAYERS:
        more = len(layers) - MOST_LAYERS
        layers = [*layers[:MOST_LAYERS], (f"and {more} more", "", "", "")]
    return layers


def html_of(estimator):
    """Return the summary as HTML in the style of scikit-learn's diagram."""
    facts = "".join(_row(fact) for fact in facts_of(estimator))
    head = _row(("Layer", "Type", "Shapes", "Parameters"), cell="th")
    layers = "".join(_row(layer) for layer in layers_of(estimator.module_))
    return (
        '<div class="estimator-table"><details open><summary>Training summary</summary>'
        f'<table class="parameters-table"><tbody>{facts}</tbody></table>'
        f"{loss_curve_svg(estimator)}</details></div>"
        '<div class="estimator-table"><details><summary>Layers</summary>'
        f'<table class="parameters-table"><tbody>{head}{layers}</tbody></table>'
        "</details></div>"
    )


def _row(texts, cell="td"):
    cells = "".join(f"<{cell}>{escape(text)}</{cell}>" for text in texts)
    return f'<tr class="default">{cells}</tr>'


def loss_curve_svg(estimator):
    """Return the loss curves as SVG, in the colour of the surrounding text."""
    curves = [
        ("training", 1, estimator.loss_curve_, 'stroke-dasharray="4 3"'),
        ("validation", 0, estimator.validation_loss_curve_ or [], ""),
    ]
    curves = [curve for curve in curves if len(curve[2])]
    losses = np.concatenate([losses for _, _, losses, _ in curves] or [[]])
    if not len(losses):
        return ""
    scale = ""
    low, high = losses.min(), losses.max()
    if low > 0 and high >= LOG_FROM * low:
        scale, low, high = ", logarithmic", np.log(low), np.log(high)
    last = max(first + len(losses) - 1 for _, first, losses, _ in curves)
    lines, names = [], []
    for name, first, losses, style in curves:
        epochs = np.linspace(0, len(losses) - 1, min(len(losses), MOST_POINTS))
        epochs = np.unique(epochs.round().astype(int))
        heights = np.asarray(losses)[epochs]
        heights = np.log(heights) if scale else heights
        x = (epochs + first) / max(last, 1) * (WIDTH - 10) + 5
        y = HEIGHT - 5 - (heights - low) / max(high - low, 1e-300) * (HEIGHT - 10)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        lines.append(f'<polyline points="{points}" {style}/>')
        names.append(f"{name} ({'dashed' if style else 'line'})")
    caption = f"Loss{scale} by epoch, 0 to {last}: {', '.join(names)}"
    return (
        f'<svg role="img" aria-label="{caption}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="width:100%;max-width:{WIDTH}px" fill="none" stroke="currentColor" '
        f'stroke-width="1.5">{"".join(lines)}</svg><div>{caption}</div>'
    )


# Tables


def loadings_of(estimator, samples):
    """Return the mean Jacobian of the decoder as a DataFrame."""
    import pandas as pd

    model = estimator.model_
    ahead, n_steps = model.objective == "predict", model.spec.n_steps
    if samples is None:
        codes = code_of_mean(model)
    elif samples.lengths is not None:
        low, high = samples.lengths.min(), samples.lengths.max()
        raise ValueError(
            f"X must hold sequences of one length for the loadings of "
            f"{type(estimator).__name__}. Got lengths from {low} to {high}. Pass "
            "sequences of one length, or draw them with TraversalDisplay."
        )
    else:
        codes = estimator._model().encode(samples)
        n_steps = samples.values.shape[1] if samples.values.ndim == 3 else None
    if ahead:
        n_steps = model.spec.n_ahead
    values = mean_jacobian(model, codes, n_steps, ahead=ahead)
    return pd.DataFrame(
        values.reshape(len(values), -1).T,
        index=_index(estimator, n_steps),
        columns=estimator.get_feature_names_out(),
    )


def r2_of(estimator, samples):
    """Return R² of each column, channel or pixel as a Series."""
    import pandas as pd

    given, wanted, mean = estimator._compare(samples)
    index = _index(estimator, by_step=False)
    unit = estimator.model_.scaling.scale  # squares neither overflow nor underflow
    shape = -1, len(index)
    errors = np.square((wanted - given) / unit).reshape(shape)
    left = np.square((wanted - mean) / unit).reshape(shape)
    values = [
        explained(np.nansum(error), np.nansum(reference), np.isfinite(error).sum())
        for error, reference in zip(errors.T, left.T, strict=True)
    ]
    return pd.Series(np.array(values, dtype=float), index=index, name="r2")


def _index(estimator, n_steps=None, *, by_step=True):
    """Return an index of the features of a sample: with its time steps, or without.

    It has the levels feature; step and channel; or row, column and channel.
    """
    import pandas as pd

    form, n_features = estimator.model_.input_format, estimator.model_.spec.n_features
    levels: dict[str, Any] = {}
    if form.form == "images":
        height, width, n_features = form.shape
        levels = {"row": range(height), "column": range(width)}
        if _holds_sequences(form):
            levels, n_steps = {}, height
    if n_steps is not None and by_step:
        levels = {"step": range(n_steps)}
    names = getattr(estimator, "feature_names_in_", ())
    if len(names) != n_features:
        names = [f"x{number}" for number in range(n_features)]
    kind = "feature" if form.form == "table" else "channel"
    if not levels:
        return pd.Index(names, name=kind)
    levels |= {kind: names}
    return pd.MultiIndex.from_product(levels.values(), names=levels)


def _holds_sequences(form):
    """Return whether a format of images is that of sequences of one length."""
    shape = form.sample_shape
    is_image = shape is not None and tuple(shape[:1]) != (-1,)
    return not is_image and not form.kind.startswith("image")
