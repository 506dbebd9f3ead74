"""Module of hostile files: its import and its function leave a trace."""

import os
from pathlib import Path

TRACE = "SEQAE_TRACE"  # environment variable with the path of the trace


def run(*arguments, **options):
    """Leave a trace."""
    Path(os.environ[TRACE]).touch()


if TRACE in os.environ:
    run()
