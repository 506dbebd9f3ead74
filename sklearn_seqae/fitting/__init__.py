"""Fit a network to samples, and apply it. Internal.

`Samples`, a `TrainingConfig` and a `Family` go in, a `FittedModel` comes out.
"""
