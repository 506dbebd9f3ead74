"""Scripts in other processes, with a limit against hanging."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIMIT = 600  # seconds until a process counts as hanging


def run(script, *arguments):
    """Run a script in another process, and return the words that it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()
