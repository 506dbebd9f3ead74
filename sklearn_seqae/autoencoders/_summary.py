"""Summary of a fitted autoencoder: text for a terminal, HTML for a notebook."""

from html import escape

import numpy as np
import torch

MOST_LAYERS = 60  # maximum number of layers in the table
MOST_POINTS = 150  # maximum number of points of a curve
WIDTH, HEIGHT = 320, 90  # of the loss curve, in pixels
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
