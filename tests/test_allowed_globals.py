"""Real estimators of every kind pass the list."""

import itertools

import pytest

from model.pickles.allowed_globals import files
from model.pickles.examples import fitted_estimators
from model.pickles.reading import scan_pickle, unpickle


@pytest.mark.filterwarnings("ignore")
def test_every_estimator_is_loaded_without_trust():
    """scikit-learn's own, as pickle and joblib, in old and new protocols: nothing is unlisted."""
    rounds = itertools.cycle(range(6))
    kinds, unlisted = set(), {}
    for estimator in fitted_estimators():
        # Each in one protocol of each library: all of them, over all estimators.
        first = 2 * next(rounds)
        for data in itertools.islice(files(estimator), first, first + 2):
            unlisted |= dict.fromkeys(scan_pickle(data, "m.pkl").unlisted, estimator)
            loaded = unpickle(data, "m.pkl")
            assert type(loaded) is type(estimator)
            kinds.add(type(loaded))

    assert unlisted == {}
    assert len(kinds) > 180
