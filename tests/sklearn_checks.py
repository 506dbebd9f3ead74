"""Checks of scikit-learn that fit on data outside of a restricted domain."""

# scikit-learn's checks that fit on data of their own, outside of a restricted domain.
OUT_OF_DOMAIN = """
    check_dict_unchanged check_dont_overwrite_parameters check_estimators_dtypes
    check_estimators_pickle check_f_contiguous_array_estimator check_fit2d_1feature
    check_fit2d_predict1d check_methods_sample_order_invariance
    check_methods_subset_invariance check_n_features_in_after_fitting
    check_pipeline_consistency check_transformer_data_not_an_array
    check_transformer_general check_transformer_n_iter
    check_transformer_preserve_dtypes
""".split()
WITH_ODD_WIDTHS = """
    check_estimators_nan_inf check_fit_score_takes_y check_sample_weights_list
""".split()
BEYOND_0_AND_1 = """
    check_array_api_input check_estimators_fit_returns_self
    check_estimators_overwrite_params check_fit2d_1sample check_fit_check_is_fitted
    check_fit_idempotent check_n_features_in check_positive_only_tag_during_fit
    check_readonly_memmap_input check_sample_weights_not_an_array
    check_sample_weights_not_overwritten check_sample_weights_pandas_series
    check_sample_weights_shape
""".split()
WHATEVER_ITS_WIDTH = """
    check_dtype_object check_all_zero_sample_weights_error
    check_sample_weight_equivalence_on_dense_data
""".split()
