"""Summary of a fitted detector: text for a terminal, HTML for a notebook."""

from typing import Any

from sklearn_seqae._introspection import details_html, table_html


def text_of(detector: Any) -> str:
    """Return threshold, false-alarm rate, windows and calibration as text."""
    facts = facts_of(detector)
    width = max(len(name) for name, _ in facts)
    lines = [f"  {name:<{width}}  {value}" for name, value in facts]
    return "\n".join([type(detector).__name__, *lines])


def facts_of(detector: Any) -> list[tuple[str, str]]:
    """Return pairs of a name and a value that describe a fitted detector."""
    known, size = detector._calibration, detector.window_size_
    unit = "samples" if size is None else "time steps"
    facts = [("estimator", type(detector.estimator_).__name__)]
    if detector.scaler_ is not None:
        facts.append(("scaler", type(detector.scaler_).__name__))
    if size is not None:
        windows = detector._windows
        alignment = "trailing" if windows.trailing else "centered"
        step = f", step {windows.step}" if windows.step > 1 else ""
        facts.append(("window", f"{size} time steps, {alignment}{step}"))
        n_switches = int(detector.switches_.sum())
        if n_switches:
            of = f"{n_switches} of {detector.n_features_in_} channels"
            facts.append(("switches", f"{of}, not scored jointly"))
    facts.append(("threshold", f"{detector.offset_:.4g} (lower scores are alarms)"))
    n_scores = f"{len(detector.calibration_scores_):,} {unit}"
    if size is not None:
        n_scores += f", {known.n_independent:,} windows that do not overlap"
    if detector.false_alarm_rate_interval_ is None:
        share = (detector.calibration_scores_ < detector.offset_).mean()
        facts.append(("alarms in training", f"{share:.2%} of the {unit}"))
        facts.append(("calibration", f"{n_scores}, by the final model"))
        return facts
    low, high = detector.false_alarm_rate_interval_
    facts += [
        ("false-alarm rate", f"{detector._rate:g} of the normal {unit}"),
        ("true rate", f"{low:.2g} to {high:.2g} (coverage {known.coverage})"),
        ("calibration", n_scores),
    ]
    return facts


def html_of(detector: Any) -> str:
    """Return the summary as HTML."""
    return details_html("Detector summary", table_html(facts_of(detector)))
