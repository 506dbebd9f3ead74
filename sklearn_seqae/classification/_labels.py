"""Labels and their weights. The label -1 marks a row without a label."""

import numpy as np
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

REMEDY = (
    "Mark a row without a label with the number -1. If the labels are text, use an "
    "array of dtype=object, and -1 in it."
)
# numpy and pandas write these for -1 and for a missing value in an array of text.
NO_LABEL_AS_TEXT = {"-1", "-1.0", "nan", "<NA>"}


def read_labels(estimator, y):
    """Validate the labels.

    Parameters
    ----------
    estimator : estimator
        Classifier, for messages.

    y : array-like of shape (N,)
        Labels, -1 for a row without a label.

    Returns
    -------
    y : ndarray of shape (N,)
        Labels. Its dtype is object only if it contains text.

    Raises
    ------
    ValueError
        If a label is missing instead of -1, if text and numbers are mixed, or if
        scikit-learn refuses y: for example if it has two columns or is continuous.
    """
    _refuse_missing(y)
    y = validate_data(estimator, y=y)
    if y.dtype.kind not in "biuf":
        labels = [label for label in y.tolist() if is_text(label) or label != -1]
        texts = [label for label in labels if is_text(label)]
        _refuse_no_label_as_text(y, texts)
        if 0 < len(texts) < len(labels):
            number = next(label for label in labels if not is_text(label))
            raise ValueError(
                "Mix of label input types (string and number): y contains "
                f"{texts[0]!r} and {number!r}. Use only text or only numbers as "
                "labels, and the number -1 for rows without a label."
            )
        if y.dtype == object and not texts:
            y = np.array(y.tolist())
    check_classification_targets(y[y != -1])
    return y


def is_text(label):
    return isinstance(label, str)


def _refuse_missing(y):
    """Raise a ValueError if y contains None, NaN, NaT, NA or masked values."""
    if np.ma.is_masked(y):
        raise ValueError(f"Input y contains masked values. {REMEDY}")
    y = np.asarray(y)
    if y.ndim == 0:  # for example None: the message of scikit-learn is better
        return
    if y.dtype != object:
        y = y[y != y]  # NaN and NaT
    missing = [label for label in y.flat if _is_missing(label)]
    if missing:
        name = str(missing[0]).replace("nan", "NaN")
        raise ValueError(
            f"Input y contains {name}. {REMEDY} With pandas, use "
            "y.astype(object).fillna(-1)."
        )


def _is_missing(label):
    if label is None:
        return True
    is_same = label == label  # NA of pandas for NA
    if isinstance(is_same, bool | np.bool_):
        return not is_same
    return type(is_same).__name__ == "NAType"


def _refuse_no_label_as_text(y, texts):
    """Raise a ValueError if a text is what numpy or pandas write for no label."""
    found = NO_LABEL_AS_TEXT.intersection(texts)
    if y.dtype == "U1" and "+" not in texts:  # numpy cuts "-1" to one letter
        found |= {"-"}.intersection(texts)
    if found:
        raise ValueError(
            f"y contains the text {min(found)!r}, which numpy or pandas writes for a "
            f"row without a label in an array of text. {REMEDY} If it is a class, "
            "rename it."
        )


def label_weights(class_weight, classes, targets, sample_weight):
    """Return the sample weights times the class weights, with mean 1.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        Parameter of the classifier.

    classes : ndarray of shape (n_classes,)
        Class labels.

    targets : ndarray of shape (M,)
        Index of the class of each labeled row.

    sample_weight : ndarray of shape (M,) or None
        Sample weights of the labeled rows; None: all are 1.

    Returns
    -------
    weights : ndarray of shape (M,) or None
        Weights of the labeled rows; None: all are 1.
    """
    weights = np.ones(len(targets)) if sample_weight is None else sample_weight
    if class_weight is not None:
        # Earlier versions of scikit-learn balance the classes without sample weights.
        if class_weight == "balanced":
            totals = np.bincount(targets, weights)
            of_classes = totals.sum() / (len(classes) * totals)
        else:
            of_classes = compute_class_weight(
                class_weight, classes=classes, y=classes[targets]
            )
        if not (of_classes > 0).all() or not np.isfinite(of_classes).all():
            raise ValueError(
                "The weights in class_weight must be positive and finite. Got "
                "class_weight="
                f"{class_weight!r}. To leave out a class, label its rows -1."
            )
        weights = weights * of_classes[targets]
    if (weights == weights[0]).all():
        return None
    return weights / weights.mean()
