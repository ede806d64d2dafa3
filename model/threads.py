"""Keeping an estimator to one thread."""

from collections.abc import Iterator
from typing import Any

import numpy as np


def keep_to_one_thread(estimator: Any) -> None:
    """Set `n_jobs` to 1 on the estimator and on all that it is made of.

    A worker answers one call at a time and there is a worker for each core, so further threads
    would only compete; starting them costs more than one row does; and answers do not depend
    on their number.
    """
    for part in parts_of(estimator):
        if "n_jobs" in vars(part):
            part.n_jobs = 1
        # XGBoost's trees remember the number of threads that they were saved with.
        if type(part).__module__.startswith("xgboost.") and part.__sklearn_is_fitted__():
            part.get_booster().set_param({"nthread": 1})


def parts_of(estimator: Any) -> Iterator[Any]:
    """Every object with parameters inside this one, each once; itself first."""
    return _parts(estimator, set())


def _parts(thing: Any, seen: set[int]) -> Iterator[Any]:
    if isinstance(thing, dict):
        thing = list(thing.values())
    if isinstance(thing, np.ndarray) and thing.dtype.kind == "O":
        thing = thing.ravel().tolist()
    if isinstance(thing, (list, tuple)):
        # A list of many numbers or words is told by its first two.
        if all(isinstance(one, (int, float, str)) for one in thing[:2]):
            return
        for one in thing:
            yield from _parts(one, seen)
    elif hasattr(thing, "get_params") and hasattr(thing, "__dict__") and id(thing) not in seen:
        seen.add(id(thing))
        yield thing
        yield from _parts(vars(thing), seen)
