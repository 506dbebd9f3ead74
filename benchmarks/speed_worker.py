"""Worker processes of `speed.py`. Requires the standard library only.

The two sides of a pair run in different processes: with other numbers of threads, from
another commit, or in the environment of a peer. A worker reads one JSON request per
line from its standard input and answers with one JSON line. It stays alive between the
runs, so that imports and compilation are not measured.
"""

import json
import os
import subprocess
import sys
import time
import traceback
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
THREAD_SETTINGS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class Worker:
    """Process that runs the tasks of a script.

    Parameters
    ----------
    script : str
        File in this folder that ends with `serve`.

    python : str, default=sys.executable
        Interpreter of the environment.

    tree : Path, default=HERE.parent
        Repository from which the package is imported.

    threads : int or None, default=None
        Value of OMP_NUM_THREADS. If None, no number of threads is set.

    settings : dict or None, default=None
        Other environment variables.
    """

    def __init__(
        self,
        script,
        *,
        python=sys.executable,
        tree=HERE.parent,
        threads=None,
        settings=None,
    ):
        environment = {k: v for k, v in os.environ.items() if k not in THREAD_SETTINGS}
        environment |= {"PYTHONPATH": str(tree), **(settings or {})}
        if threads is not None:
            environment |= dict.fromkeys(THREAD_SETTINGS, str(threads))
        self._process = subprocess.Popen(
            [python, str(HERE / script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def __call__(self, task, **arguments):
        """Run a task once and return its answer, a dict."""
        self._process.stdin.write(json.dumps([task, arguments]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"failure": "the process has ended"}
        if "failure" in answer:
            raise RuntimeError(f"task {task!r} failed: {answer['failure']}")
        return answer

    def close(self):
        """End the process, and the task that an interrupt has left running."""
        self._process.kill()
        self._process.wait()


def serve(tasks):
    """Answer requests until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print does not mix with the answers
    for line in sys.stdin:
        task, arguments = json.loads(line)
        try:
            answer = tasks[task](**arguments)
        except Exception:
            answer = {"failure": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


def measured(function, *, per=1):
    """Call a function and return the seconds of both clocks, divided by `per`."""
    wall, processor = time.perf_counter(), time.process_time()
    function()
    return {
        "processor": (time.process_time() - processor) / per,
        "wall": (time.perf_counter() - wall) / per,
    }


def per_epoch(fit, n_epochs):
    """Return the seconds per epoch of `fit(n_epochs)`.

    The difference of a long and a short fit excludes the time of the set-up.
    """
    short, long = measured(lambda: fit(1)), measured(lambda: fit(n_epochs + 1))
    return {clock: (long[clock] - short[clock]) / n_epochs for clock in long}


@contextmanager
def busy_processes(count):
    """Keep `count` other processes busy."""
    command = [sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()
