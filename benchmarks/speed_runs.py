"""Measurements of the entries of `speed.py`.

An entry has one or more lines. `start(bench, clock)` prepares it and returns a function
that measures all of its lines once, as a list of `Run`.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import geometric_mean, median

CPU = "processor seconds, 1 thread"
CPU_ALL = "processor seconds, default threads"
WALL = "wall seconds, default threads"
ERROR = "held-out squared error"
N_THREADS = {CPU: 1, CPU_ALL: None, WALL: None}

BCE = 0.2711  # validation loss of the tutorial's network, as published
BUSY = 4  # other processes
SIDES = ("ours", "theirs")


@dataclass(frozen=True)
class Line:
    """Line of the table: a value that must not exceed its target.

    Parameters
    ----------
    work, against : str
        The two sides. ``{against}`` stands for the other commit.

    clock : str
        Seconds that are compared: `CPU`, `CPU_ALL` or `WALL`. Otherwise what the value
        measures.

    target : float
        Largest value that meets the target.

    unit : {"ratio", "exponent", "seconds", "differences"}, default="ratio"
        Unit of the value.
    """

    work: str
    against: str
    clock: str
    target: float
    unit: str = "ratio"


@dataclass(frozen=True)
class Run:
    """One measurement of a line: its value, and the seconds of each side."""

    value: float
    ours: float = math.nan
    theirs: float = math.nan


@dataclass(frozen=True)
class Entry:
    """Lines that are measured together.

    Parameters
    ----------
    name : str
        Name on the command line.

    lines : tuple of Line
        The clock of the first line is passed to `start`.

    start : callable
        Function of (bench, clock).

    needs : tuple of {"peers", "against", "folder"}, default=()
        Options of the command line without which the entry is skipped.

    warm : bool, default=True
        Whether a run that is not counted comes first.

    is_long : bool, default=False
        Whether a run takes over five minutes. It is then measured twice.
    """

    name: str
    lines: tuple[Line, ...]
    start: Callable
    needs: tuple[str, ...] = ()
    warm: bool = True
    is_long: bool = False


@dataclass(frozen=True)
class Size:
    """Argument of the full and of the quick run."""

    full: object
    quick: object


def resolve(value, bench):
    """Return the value of an argument."""
    if isinstance(value, Size):
        return value.quick if bench.quick else value.full
    return value(bench) if callable(value) else value


def ratio(ours, theirs, clock):
    """Return a run from the answers of two workers."""
    key = clock.split()[0]
    return Run(ours[key] / theirs[key], ours[key], theirs[key])


def paired(task, other=None, *, theirs=None, peers=None, **both):
    """Return the `start` of an entry that compares two tasks.

    Parameters
    ----------
    task, other : str
        Task of each side. If `other` is None, it is the same task.

    theirs : dict or None
        Arguments of the other side only.

    peers : dict or None
        Environment variables of a worker in the environment of the peers, which runs
        the other side. If None, the other side runs in the environment of the package.

    **both : object
        Arguments of both sides. A `Size` depends on the option ``--quick``, and a
        callable is called with the bench.
    """

    def start(bench, clock):
        worker = bench.worker(clock)
        second = worker if peers is None else bench.peer(clock, **peers)
        arguments = {name: resolve(value, bench) for name, value in both.items()}

        def run():
            mine = worker(task, **arguments)
            other_side = second(other or task, **{**arguments, **(theirs or {})})
            return [ratio(mine, other_side, clock)]

        return run

    return start


def default_fits(family):
    """Return the start of default fits on many sets, paired with another commit.

    The value of a run is the median of the ratios of the sets; its error is their
    geometric mean.
    """

    def start(bench, clock):
        ours, theirs = bench.worker(clock), bench.worker(clock, tree=bench.old_tree())
        fits = bench.problems(family)

        def run():
            pairs, errors = [], []
            for name, arguments in fits.items():
                each = [
                    side("default_fit", family=family, **arguments)
                    for side in (ours, theirs)
                ]
                pairs.append(ratio(*each, clock))
                errors.append(each[0]["error"] / each[1]["error"])
                seconds = f"{pairs[-1].ours:7.2f} / {pairs[-1].theirs:7.2f} s"
                bench.note(f"  {name:<28} {seconds}  error {errors[-1]:.3f}")
            totals = (sum(getattr(p, side) for p in pairs) for side in SIDES)
            typical = median(pair.value for pair in pairs)
            return [Run(typical, *totals), Run(geometric_mean(errors))]

        return run

    return start


def start_monthly(bench, clock):
    """Compare the default fit of 61 short sequences with another commit."""
    ours, theirs = bench.worker(clock), bench.worker(clock, tree=bench.old_tree())
    return lambda: [ratio(ours("monthly_values"), theirs("monthly_values"), clock)]


def start_busy(bench, clock):
    """Compare default fits beside busy processes with the same fits alone.

    Alone, the fits keep t threads busy, where t is processor seconds / wall seconds.
    Beside b busy processes on c cores, t of b + t threads are ours: we get the share
    t / (b + t) of c cores instead of t cores. Time is then expected to be longer by
    (b + t) / c, and the wall clock is divided by this.
    """
    worker, max_iter = bench.worker(clock), resolve(Size(None, 5), bench)

    def run():
        alone = worker("default_fits", max_iter=max_iter)
        with bench.busy(BUSY):
            busy = worker("default_fits", max_iter=max_iter)
        threads = alone["processor"] / alone["wall"]
        expected = max(1.0, (BUSY + threads) / bench.n_cores)
        wall = busy["wall"] / expected
        return [
            ratio(busy, alone, clock),
            Run(wall / alone["wall"], wall, alone["wall"]),
        ]

    return run


def start_search(bench, clock):
    """Compare a grid search with two workers and with one."""
    worker = bench.worker(clock)
    seconds, n_rows = resolve(Size((5, 20_000), (0.5, 5_000)), bench)
    epoch = worker("seconds_per_epoch", n_rows=n_rows)["wall"]
    arguments = {"max_iter": max(1, round(seconds / epoch)), "n_rows": n_rows}

    def run():
        two, one = (worker("search", n_jobs=jobs, **arguments) for jobs in (2, 1))
        return [ratio(two, one, clock)]

    return run


def start_large(bench, clock):
    """Fit 300,000 rows with the defaults."""
    worker, n_rows = bench.worker(clock), resolve(Size(300_000, 5_000), bench)

    def run():
        answer = worker("large_fit", n_rows=n_rows)
        seconds = answer["processor"]
        return [Run(seconds, seconds), Run(answer["error_over_pca"])]

    return run


def start_growth(bench, clock):
    """Return the exponent with which the time grows with the number of rows."""
    worker = bench.worker(clock)
    small, large = resolve(Size((10_000, 1_000_000), (1_000, 10_000)), bench)

    def run():
        few, many = (
            worker("large_fit", n_rows=n_rows, max_iter=10)["processor"]
            for n_rows in (small, large)
        )
        return [Run(math.log(many / few) / math.log(large / small), many, few)]

    return run


def start_fashion(bench, clock):
    """Compare the time to the published validation loss with ten epochs of Keras.

    `max_iter` is the smallest number of epochs with which a fit reaches the loss. It is
    found before the runs that are counted.
    """
    worker, keras = bench.worker(clock), bench.peer(clock, KERAS_BACKEND="tensorflow")
    train, valid = bench.fashion()
    files = {"train": train, "valid": valid}
    n_epochs = resolve(Size(10, 2), bench)
    for max_iter in range(1, n_epochs + 1):
        loss = worker("fashion", **files, max_iter=max_iter)["loss"]
        bench.note(f"  max_iter={max_iter}: validation loss {loss:.4f}")
        if loss <= BCE:
            break

    def run():
        ours = worker("fashion", **files, max_iter=max_iter)
        theirs = keras("fashion_keras", **files, n_epochs=n_epochs)
        bench.note(f"  losses {ours['loss']:.4f} and {theirs['loss']:.4f} (Keras)")
        reached = ours["loss"] <= BCE or bench.quick
        each = ratio(ours, theirs, clock)
        return [each if reached else Run(math.inf, math.inf, each.theirs)]

    return run


def start_bits(bench, clock):
    """Count the comparisons in which results with one seed differ."""
    max_iter = resolve(Size(10, 2), bench)
    one, two = (bench.worker(clock, threads=count) for count in (1, 2))
    search = {"max_iter": max_iter, "n_rows": 2_000}

    def run():
        first = one("bits", max_iter=max_iter)
        second = two("bits", max_iter=max_iter)
        with bench.busy(BUSY):
            busy = two("bits", max_iter=max_iter)
        searches = [two("search", n_jobs=jobs, **search) for jobs in (1, 2)]
        comparisons = {
            "1 and 2 threads": first == second,
            "alone and beside busy processes": second == busy,
            "n_jobs 1 and 2": searches[0]["digest"] == searches[1]["digest"],
        }
        for name, is_equal in comparisons.items():
            bench.note(f"  {name}: {'same bits' if is_equal else 'OTHER BITS'}")
        return [Run(sum(not is_equal for is_equal in comparisons.values()))]

    return run
