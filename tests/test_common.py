"""scikit-learn's own checks, every one of them, for every instance."""

from itertools import combinations, product
from unittest import SkipTest

import pytest
import sklearn
from sklearn.utils import estimator_checks, get_tags
from sklearn.utils.estimator_checks import (
    estimator_checks_generator,
    parametrize_with_checks,
)
from sklearn.utils.fixes import parse_version

from tests.instances import (
    ADMISSIBLE,
    CONVOLUTIONAL_TABLE,
    DENSE_TABLE,
    INSTANCES,
    RECURRENT_TABLE,
    RESTRICTED,
    expected_failures,
    name,
)

ALL_INSTANCES = [*INSTANCES, *ADMISSIBLE, *[instance for instance, _, _ in RESTRICTED]]
TRANSFORMERS = [each for each in INSTANCES if hasattr(each, "transform")]

N_CHECKS = 47 if parse_version(sklearn.__version__) >= parse_version("1.7") else 46

# check_estimator leaves these to scikit-learn's own test suite.
FURTHER_CHECKS = [
    "check_param_validation",
    "check_dataframe_column_names_consistency",
    "check_inplace_ensure_writeable",
]
FURTHER_TRANSFORMER_CHECKS = [
    "check_get_feature_names_out_error",
    "check_transformer_get_feature_names_out",
    "check_transformer_get_feature_names_out_pandas",
    "check_set_output_transform",
    "check_set_output_transform_pandas",
    *[
        pytest.param(check, marks=pytest.mark.slow)
        for check in (
            "check_set_output_transform_polars",
            "check_global_output_transform_pandas",
            "check_global_set_output_transform_polars",
        )
    ],
]


@pytest.fixture(autouse=True)
def global_generators_are_left_alone():
    """Override: check_methods_sample_order_invariance draws from numpy's own."""


def run(check, *args):
    """Run a check; one that skips has checked nothing, and fails."""
    try:
        check(*args)
    except SkipTest as reason:
        pytest.fail(f"skipped: {reason}")


# `xfail_strict` of the configuration makes an expected failure that passes an error.
@parametrize_with_checks(ALL_INSTANCES, expected_failed_checks=expected_failures)
def test_check_of_check_estimator(estimator, check):
    run(check, estimator)


@pytest.mark.parametrize("estimator", INSTANCES, ids=name)
@pytest.mark.parametrize("check", FURTHER_CHECKS)
def test_further_check(estimator, check):
    run(getattr(estimator_checks, check), type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", TRANSFORMERS, ids=name)
@pytest.mark.parametrize("check", FURTHER_TRANSFORMER_CHECKS)
def test_further_check_of_transformers(estimator, check):
    run(getattr(estimator_checks, check), type(estimator).__name__, estimator)


@pytest.mark.parametrize("estimator", ALL_INSTANCES, ids=name)
def test_no_tag_hides_a_check(estimator):
    # Some tags make scikit-learn yield one check instead of 47, and all is green. The
    # check of NaN and infinity is left out if NaN is allowed; `test_bad_input` has one.
    least = N_CHECKS - get_tags(estimator).input_tags.allow_nan
    assert len(list(estimator_checks_generator(estimator))) >= least


@pytest.mark.parametrize("table", [DENSE_TABLE, RECURRENT_TABLE, CONVOLUTIONAL_TABLE])
def test_every_pair_of_options_stands_in_the_table(table):
    for one, other in combinations(zip(*table, strict=True), 2):
        assert set(product(one, other)) == set(zip(one, other, strict=True))
