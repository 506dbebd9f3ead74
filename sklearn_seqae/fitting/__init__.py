"""Fit networks to samples, and apply them. Internal.

The input is `Samples`, a `TrainingConfig` and a `Family`; the output is a
`FittedModel`.
"""
