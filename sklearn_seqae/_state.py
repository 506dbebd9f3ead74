"""State of fitted estimators as arrays, plain values and other estimators."""

from typing import Any, ClassVar

CLASS = "__class__"  # key of the name of the class in the state of a helper


def packed(value: Any, classes: tuple[type, ...]) -> Any:
    """Replace objects of some classes with dictionaries of their attributes.

    Parameters
    ----------
    value : object
        Attribute of an estimator.

    classes : tuple of type
        Classes whose attributes are their whole state.

    Returns
    -------
    value : object
        The value without objects of these classes. Other objects are not copied.
    """
    if type(value) in classes:
        state = {name: packed(each, classes) for name, each in vars(value).items()}
        return {CLASS: type(value).__name__, **state}
    if type(value) is list:
        return [packed(each, classes) for each in value]
    return value


def unpacked(value: Any, classes: tuple[type, ...]) -> Any:
    """Restore the objects that `packed` replaced."""
    if type(value) is list:
        return [unpacked(each, classes) for each in value]
    if type(value) is not dict or CLASS not in value:
        return value
    by_name = {each.__name__: each for each in classes}
    kind = by_name[value[CLASS]]
    instance: Any = object.__new__(kind)
    state = {name: unpacked(each, classes) for name, each in value.items()}
    vars(instance).update((name, each) for name, each in state.items() if name != CLASS)
    return instance


class PlainState:
    """Mixin of estimators whose fitted attributes include objects of this package.

    A file of the estimator then contains no other class of this package, so readers
    of files need to trust the public estimators only.
    """

    _state_classes: ClassVar[tuple[type, ...]] = ()

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        classes = self._state_classes
        return {name: packed(value, classes) for name, value in state.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        classes = self._state_classes
        state = {name: unpacked(value, classes) for name, value in state.items()}
        super().__setstate__(state)  # type: ignore[misc]
