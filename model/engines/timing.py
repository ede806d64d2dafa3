"""How long engines take for batches of several sizes, and which one wins where."""

import time
import warnings
from collections.abc import Callable, Mapping
from itertools import pairwise

from model.batch import Batch
from model.protocol import Model

SIZES = (1, 10, 100, 1_000, 10_000)

# An engine takes over where it needs at most this share of the other's time, and saves so much: a
# smaller gain is within what measurements differ by, is nothing beside the reading of so many
# rows, and is not worth the memory of a second engine.
_CLEAR_WIN = 0.8
_LEAST_GAIN_S = 0.001

_LEAST_RUNS, _MOST_RUNS = 3, 50
_MEASURED_S = 0.1
# Where one call takes this long, nothing larger is measured: it tells enough.
_TOO_SLOW_S = 0.5

Clock = Callable[[], float]
Times = Mapping[int, float]
Routes = tuple[tuple[int, str], ...]


def measure(
    engines: Mapping[str, Model],
    batch_of: Callable[[int], Batch],
    most_rows: int,
    clock: Clock = time.process_time,
) -> dict[str, dict[int, float]]:
    """Seconds by engine and number of rows. Engines take turns, so that noise meets all of them.

    Of the processor's time, because what else runs on the machine must not choose the engine.
    """
    times: dict[str, dict[int, float]] = {name: {} for name in engines}
    for size in (size for size in SIZES if size == 1 or size <= most_rows):
        batch = batch_of(size)
        best = _best(engines, batch, clock)
        for name, seconds in best.items():
            times[name][size] = seconds
        if max(best.values()) > _TOO_SLOW_S:
            break
    return times


def _best(engines: Mapping[str, Model], batch: Batch, clock: Clock) -> dict[str, float]:
    """The shortest of several runs: what is longer was disturbed."""
    best = dict.fromkeys(engines, float("inf"))
    spent = 0.0
    with warnings.catch_warnings():
        # A single filter, as where models serve: what a forest takes hangs on their number.
        warnings.resetwarnings()
        warnings.simplefilter("ignore")
        for run in range(_MOST_RUNS):
            for name, engine in engines.items():
                started = clock()
                engine.predict(batch)
                seconds = clock() - started
                best[name] = min(best[name], seconds)
                spent += seconds
            if run + 1 >= _LEAST_RUNS and spent > _MEASURED_S * len(engines):
                break
    return best


def routes(times: Mapping[str, Times], first: str) -> Routes:
    """From how many rows on which engine is the one to ask.

    Args:
        first: the engine to begin with, unless another one clearly wins for one row.
    """
    sizes = sorted(times[first])
    serving = _faster(times, 1, first, least_gain_s=0.0)
    found = [(1, serving)]
    for before, size in pairwise(sizes):
        fastest = _faster(times, size, serving, _LEAST_GAIN_S)
        if fastest != serving:
            found.append((_crossing(before, size, times[serving], times[fastest]), fastest))
            serving = fastest
    return tuple(found)


def _faster(times: Mapping[str, Times], size: int, serving: str, least_gain_s: float) -> str:
    """The engine that clearly wins at this size; else the one that serves anyway."""
    fastest = min(times, key=lambda name: times[name][size])
    was, would_be = times[serving][size], times[fastest][size]
    wins = would_be <= _CLEAR_WIN * was and was - would_be >= least_gain_s
    return fastest if wins else serving


def _crossing(before: int, after: int, old: Times, new: Times) -> int:
    """The number of rows from which the new engine wins, on straight lines between two sizes."""
    gap_before, gap_after = new[before] - old[before], old[after] - new[after]
    if gap_before <= 0:
        return before + 1
    share = gap_before / (gap_before + gap_after)
    return before + max(1, round(share * (after - before)))
