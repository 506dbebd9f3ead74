"""Each fault of the list has a test, here or elsewhere."""

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

# What goes wrong, and the test in which it does.
FAULTS = {
    "NaN and infinity in X": "test_bad_input.test_values_that_are_not_finite_in_tables",
    "values beyond float32": (
        "test_faults.test_extreme_scales_never_give_a_broken_model"
    ),
    "divergence": "test_faults.test_divergence_raises_and_says_what_to_lower",
    "divergence in a search": (
        "test_faults.test_divergence_fails_one_candidate_of_a_grid_search"
    ),
    "Ctrl-C": "test_faults.test_ctrl_c_reaches_the_caller",
    "Ctrl-C in a search": "test_faults.test_ctrl_c_stops_a_grid_search",
    "early stopping": "test_faults.test_early_stopping_stops_without_a_trace",
    "kill -9 while saving": (
        "faults.test_saving.test_after_kill_9_the_file_is_always_whole"
    ),
    "kill -9 while training": (
        "faults.test_resuming.test_after_kill_9_a_fit_ends_in_the_same_bits"
    ),
    "exception while training": (
        "faults.test_resuming."
        "test_a_fit_interrupted_after_each_epoch_ends_in_the_bits_of_a_whole_one"
    ),
    "damaged checkpoint": (
        "faults.test_resuming.test_a_damaged_file_is_ignored_with_a_warning"
    ),
    "full disk while training": (
        "faults.test_resuming.test_a_full_disk_is_an_error_and_the_file_stays"
    ),
    "full disk while saving": (
        "faults.test_saving.test_a_full_disk_leaves_the_old_file_and_no_other"
    ),
    "damaged file": (
        "test_hostile_files.test_each_of_a_thousand_damaged_files_is_refused"
    ),
    "file of another format": (
        "test_hostile_files.test_a_file_of_another_format_version_is_refused"
    ),
    "pickle of another version": (
        "faults.test_versions.test_a_pickle_of_another_version_loads_with_a_warning"
    ),
    "hostile file": (
        "test_hostile_files.test_a_payload_in_place_of_any_object_runs_nothing"
    ),
    "no samples, features or steps": "test_bad_input.test_no_samples_steps_or_channels",
    "one sample, step or feature": "test_faults.test_tiny_data_work",
    "sequences of other lengths": (
        "test_common_sequences.test_other_lengths_than_in_fit_are_taken"
    ),
    "another number of channels": (
        "test_common_sequences.test_another_number_of_channels_raises"
    ),
    "batches of mixed lengths": (
        "test_common_sequences.test_a_sequence_does_not_depend_on_its_neighbours"
    ),
    "other dtypes": "test_bad_input.test_what_is_no_table_of_numbers",
    "nullable columns": "test_missing.test_every_kind_of_missing_value_is_nan",
    "read-only memory maps": (
        "test_bad_input.test_read_only_memmaps_work_without_warnings"
    ),
    "memory layouts": "test_bad_input.test_layouts_work_without_warnings",
    "constant features and ties": "test_faults.test_data_without_variance_work",
    "fits in threads": "test_concurrency.test_eight_threads_fit_the_same_bits",
    "transform in threads": (
        "test_concurrency.test_eight_threads_transform_the_same_bits"
    ),
    "global generators": (
        "test_faults.test_global_generators_are_left_alone_after_an_error"
    ),
    "fork after a fit": "test_concurrency.test_a_forked_child_finishes",
    "search in workers": (
        "faults.test_workers."
        "test_a_search_in_two_workers_has_the_scores_of_a_serial_one"
    ),
    "memory leak": "test_concurrency.test_fits_leak_no_memory",
    "out of memory": (
        "faults.test_memory."
        "test_without_memory_a_fit_is_a_memory_error_and_the_model_stays_usable"
    ),
    "failed refit": "test_faults.test_a_refit_that_fails_leaves_the_earlier_fit",
    "import of torch": "test_concurrency.test_importing_the_package_is_light",
    "model of a missing GPU": (
        "test_state.test_models_of_a_missing_device_load_on_the_cpu_with_a_warning"
    ),
    "bad sample weights": "test_sample_weight.test_bad_weights_are_named",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_test_of_a_fault_exists(fault):
    *folders, test = FAULTS[fault].split(".")
    text = TESTS.joinpath(*folders).with_suffix(".py").read_text("utf-8")
    assert re.search(rf"^def {test}\(", text, re.M)
