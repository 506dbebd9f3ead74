"""Summary of a fitted autoencoder: text for a terminal, HTML for a notebook.

Also the tables of its components and features.
"""

from typing import Any

import numpy as np
import torch

from sklearn_seqae._introspection import details_html, table_html
from sklearn_seqae.fitting.jacobian import code_of_mean, mean_jacobian
from sklearn_seqae.fitting.selection import explained

MOST_LAYERS = 60  # maximum number of layers in the table
MOST_POINTS = 150  # maximum number of points of a curve
WIDTH, HEIGHT = 360, 160  # of the loss curve, in pixels
LEFT, BELOW = 52, 30  # space for the values of its axes
LOG_FROM = 10  # ratio of the largest to the smallest loss


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
    facts = [fact for fact in facts_of(estimator) if fact[0] != "validation R²"]
    tables = table_html(facts)
    if estimator.held_out_r2_ is not None:
        names = {"model": type(estimator).__name__, "pca": "PCA"}
        rows = [
            (label, f"{estimator.held_out_r2_[key]:.4f}")
            for key, label in names.items()
        ]
        tables += table_html(rows, head=("", "R² of validation rows"))
    head = ("Layer", "Type", "Shapes", "Parameters")
    layers = table_html(layers_of(estimator.module_), head)
    return details_html(
        "Training summary", tables + loss_curve_svg(estimator)
    ) + details_html("Layers", layers, is_open=False)


def loss_curve_svg(estimator):
    """Return the loss curves as SVG, in the color of the surrounding text."""
    curves = [
        ("training", 1, estimator.loss_curve_, 'stroke-dasharray="4 3"'),
        ("validation", 0, estimator.validation_loss_curve_ or [], ""),
    ]
    curves = [curve for curve in curves if len(curve[2])]
    losses = np.concatenate([losses for _, _, losses, _ in curves] or [[]])
    if not len(losses):
        return ""
    axes = Axes(losses, max(first + len(losses) - 1 for _, first, losses, _ in curves))
    lines, names = [axes.frame()], []
    for name, first, losses, style in curves:
        epochs = np.linspace(0, len(losses) - 1, min(len(losses), MOST_POINTS))
        epochs = np.unique(epochs.round().astype(int))
        lines.append(axes.line(epochs + first, np.asarray(losses)[epochs], style))
        names.append(f"{name} ({'dashed' if style else 'line'})")
    if starts_as_pca(estimator) and estimator.validation_loss_curve_:
        pca = estimator.validation_loss_curve_[0]
        lines.append(axes.line([0, axes.last], [pca, pca], 'stroke-dasharray="1 3"'))
        names.append("PCA on validation rows (dotted)")
    scale = ", logarithmic" if axes.is_log else ""
    caption = f"Loss{scale} by epoch, 0 to {axes.last}: {', '.join(names)}"
    return (
        f'<svg role="img" aria-label="{caption}" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'style="width:100%;max-width:{WIDTH}px" fill="none" stroke="currentColor" '
        f'stroke-width="1.5">{"".join(lines)}</svg><div>{caption}</div>'
    )


def starts_as_pca(estimator):
    """Return whether epoch 0 of a fitted estimator is PCA."""
    module = getattr(estimator, "module_", None)
    return getattr(module, "linear_path", None) is not None


class Axes:
    """Axes of a plot of losses by epoch.

    Parameters
    ----------
    losses : array-like
        All losses of the plot. The axis is logarithmic if their range is large.

    last : int
        Last epoch.
    """

    def __init__(self, losses, last):
        low, high = float(min(losses)), float(max(losses))
        self.is_log = low > 0 and high >= LOG_FROM * low
        self.low, self.high = self.scaled(low), self.scaled(high)
        self.last = last

    def scaled(self, losses):
        """Return losses on the scale of the axis."""
        return np.log(losses) if self.is_log else np.asarray(losses, dtype=float)

    def x(self, epochs):
        """Return pixels of epochs."""
        return LEFT + np.asarray(epochs) / max(self.last, 1) * (WIDTH - LEFT - 10)

    def y(self, losses):
        """Return pixels of losses."""
        share = (self.scaled(losses) - self.low) / max(self.high - self.low, 1e-300)
        return HEIGHT - BELOW - share * (HEIGHT - BELOW - 10)

    def line(self, epochs, losses, style=""):
        """Return a line."""
        pixels = zip(self.x(epochs), self.y(losses), strict=True)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in pixels)
        return f'<polyline points="{points}" {style}/>'

    def frame(self):
        """Return both axes with their values."""
        bottom, right = HEIGHT - BELOW, WIDTH - 10
        middle = (self.low + self.high) / 2
        losses = np.array([self.low, middle, self.high])
        losses = np.exp(losses) if self.is_log else losses
        texts: list[tuple[Any, ...]] = [
            (LEFT - 4, y + 3, "end", f"{loss:.3g}")
            for y, loss in zip(self.y(losses), losses, strict=True)
        ]
        epochs = sorted({0, self.last // 2, self.last})
        texts += [(self.x(n), bottom + 12, "middle", n) for n in epochs]
        texts.append(((LEFT + right) / 2, HEIGHT - 3, "middle", "epoch"))
        labels = "".join(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'
            for x, y, anchor, text in texts
        )
        return (
            f'<path d="M{LEFT},5 V{bottom} H{right}" stroke-width="0.75"/>'
            f'<g fill="currentColor" stroke="none" font-size="10">{labels}</g>'
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
