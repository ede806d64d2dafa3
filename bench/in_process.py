"""The model asked in this process, without any server: `python in_process.py MODEL ROWS`.

What no server can be faster than on one core with the estimator as it was saved. Reads lines, each
a number of seconds; asks for so long, and prints JSON.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
from models import rows


def main(model: Path, count: int) -> None:
    """Ask about the same rows again and again, as the servers do."""
    estimator, matrix = joblib.load(model), rows(count)
    ask = getattr(estimator, "predict_proba", estimator.predict)
    ask(matrix)
    for line in sys.stdin:
        print(json.dumps(_asked(ask, matrix, float(line))), flush=True)


def _asked(ask: Callable[[Any], Any], matrix: Any, seconds: float) -> dict[str, float]:
    times_ms: list[float] = []
    started = time.perf_counter()
    while (now := time.perf_counter()) < started + seconds:
        ask(matrix)
        times_ms.append((time.perf_counter() - now) * 1000)
    spent = time.perf_counter() - started
    hundredths = statistics.quantiles([*times_ms, times_ms[-1]], n=100, method="inclusive")
    found = {"requests_per_s": len(times_ms) / spent, "p50_ms": hundredths[49]}
    return {**found, "p99_ms": hundredths[98], "refused": 0, "broken": 0}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
