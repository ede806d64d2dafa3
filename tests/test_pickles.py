"""A pickle may name what is on the list, call less, and do nothing else (SEC-64)."""

import io
import pickle
import re
import sys
from pathlib import Path

import hostile_pickles
import joblib
import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier

import model
from model import ArtifactRejected
from model.pickles.reading import allowed_globals, scan_pickle, unpickle

NOWHERE = Path("/nowhere/canary")


class Own:
    """A class that no list has."""

    def __init__(self) -> None:
        self.value = np.array(["a", None], dtype=object)


class CallsOwn:
    """Pickled as a call of a function that no list has."""

    def __reduce__(self):
        return own_function, (2,)


def own_function(value):
    return [value] * value


@pytest.mark.parametrize("name", list(hostile_pickles.running(NOWHERE)))
def test_code_in_a_pickle_is_not_run(tmp_path, name):
    """Neither looking nor loading leaves a trace, and both refuse."""
    canary = tmp_path / "canary"
    data = hostile_pickles.running(canary)[name]
    imported = set(sys.modules)
    with pytest.raises(ArtifactRejected, match=r"^model\.pkl "):
        unpickle(data, "model.pkl")
    refused = _refused_at_a_look(data)

    assert not canary.exists()
    assert refused or name in CREATED_ONLY
    assert {"antigravity", "webbrowser", "pty"}.isdisjoint(set(sys.modules) - imported)


# What these name is on the list, and their calls are, too: only building finds what is wrong.
CREATED_ONLY = {
    "a constructor by another",
    "a call by a listed function",
    "entry into an instance",
    "item into an instance",
    "an instance's own state setter",
}


@pytest.mark.parametrize(
    "name", ["os.mkdir", "posix.mkdir", "eval", "exec", "python 2 names", "runstring", "protocol 0"]
)
def test_the_same_code_runs_elsewhere(tmp_path, name):
    """The hostile pickles are real: the standard reader obeys them."""
    canary = tmp_path / "canary"
    pickle.loads(hostile_pickles.running(canary)[name])  # noqa: S301

    assert canary.is_dir()


def _refused_at_a_look(data):
    try:
        return bool(scan_pickle(data, "model.pkl").unlisted)
    except ArtifactRejected:
        return True


@pytest.mark.parametrize("name", list(hostile_pickles.damaging()))
def test_what_would_read_beyond_its_memory_is_refused(name):
    """Claims of size and of layout are checked before numpy, or the allocator, believes them."""
    data = hostile_pickles.damaging()[name]
    with pytest.raises(ArtifactRejected, match="cannot be loaded"):
        unpickle(data, "model.pkl")


def test_a_look_at_deep_nesting_ends():
    """A tuple of itself, 40 deep, would take years to hash; very deep it would end Python."""
    doubled = b"\x80\x04}(" + b"N\x85" + b"2\x86" * 40 + b"Nu."
    deep = b"\x80\x04}(" + b"N" + b"\x85" * 200_000 + b"Nu."

    assert scan_pickle(doubled, "model.pkl").globals == ()
    assert scan_pickle(deep, "model.pkl").globals == ()


def test_names_are_found_wherever_they_hide():
    """Those in joblib's object arrays and in compressed files are listed like any other."""
    file = io.BytesIO()
    joblib.dump({"values": np.array([Own(), {"deep": Own()}], dtype=object)}, file, compress=3)
    scan = scan_pickle(file.getvalue(), "model.joblib")

    assert f"{__name__}:Own" in scan.globals
    assert scan.unlisted == (f"{__name__}:Own",)


@pytest.mark.parametrize("value", [Own(), CallsOwn()], ids=["a class", "a call"])
def test_a_trusted_name_is_loaded(value):
    """What an operator answers for loads, by exactly the names that the look has found."""
    data = pickle.dumps(value)
    scan = scan_pickle(data, "model.pkl")
    loaded = unpickle(data, "model.pkl", trusted=scan.unlisted)

    assert scan.unlisted
    assert type(loaded) is type(value) or loaded == own_function(2)


def test_a_refusal_names_what_is_missing():
    """The operator reads which name it is about, and what to do."""
    with pytest.raises(ArtifactRejected, match=rf"{__name__}:Own.*--trust"):
        unpickle(pickle.dumps(Own()), "model.pkl")


def test_no_trust_opens_the_rest():
    """Trust is for names: persistent ids, extensions and the like stay refused."""
    with pytest.raises(ArtifactRejected, match="no estimator needs"):
        unpickle(b"\x80\x04\x82\x01.", "model.pkl", trusted=["os:mkdir"])


def test_the_list_is_exact():
    """No pattern, no prefix, no dots in a name, nothing that reaches code or the system."""
    allowed = allowed_globals()
    modules = {key.partition(":")[0] for key in allowed.named}

    assert allowed.called < allowed.named
    assert all(re.fullmatch(r"[\w.]+:\w+", key) for key in allowed.named)
    assert modules.isdisjoint({"os", "posix", "sys", "subprocess", "operator", "functools"})
    assert not {m for m in modules if m.startswith(("scipy.stats", "numpy.testing", "importlib"))}
    assert allowed.named.isdisjoint({"builtins:eval", "builtins:exec", "builtins:getattr"})
    assert "numpy:memmap" not in allowed.named


def test_pickles_are_read_in_one_place():
    """SEC-62: no other module of the package, or of the gateway, can load one."""
    packages = Path(model.__file__).parent, Path(model.__file__).parents[1] / "gateway"
    readers = {
        path.relative_to(package).as_posix()
        for package in packages
        for path in package.rglob("*.py")
        if re.search(
            r"import (c?pickle|dill|marshal|shelve)\b|\bload[s]?\(.*allow_pickle=True",
            path.read_text(),
        )
    }

    assert readers == {"pickles/machine.py", "pickles/allowed_globals.py"}


def test_arrays_arrive_as_they_were():
    """Order, byte order, shape, type and being writable survive joblib, compressed or not."""
    arrays = [
        np.arange(6.0).reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(3, dtype=">i4"),
        np.zeros((0, 4)),
        np.array(2.5),
        np.array(["a", "bcd"]),
        np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]),
        np.array(["a", None, 1.5], dtype=object),
        np.array(["2026-01-01"], dtype="datetime64[D]"),
    ]
    for protocol in (2, 4, 5):
        for compress in (0, 3):
            file = io.BytesIO()
            joblib.dump(arrays, file, compress=compress, protocol=protocol)
            for array, loaded in zip(arrays, unpickle(file.getvalue(), "m.joblib"), strict=True):
                np.testing.assert_array_equal(loaded, array)
                assert loaded.flags.writeable
                assert loaded.flags.f_contiguous == array.flags.f_contiguous


def test_a_memory_map_becomes_an_array(tmp_path):
    """An estimator fitted on mapped data has maps in it; no file is opened for them."""
    mapped = np.memmap(tmp_path / "data", "f8", "w+", shape=(3,))
    data = hostile_pickles.dumped([mapped]), pickle.dumps([mapped])
    loaded = [unpickle(one, "model.joblib")[0] for one in data]

    assert [type(array) for array in loaded] == [np.ndarray, np.ndarray]


@pytest.mark.parametrize(
    ("estimator", "field", "value"),
    [
        (RandomForestClassifier(2, random_state=0), "left_child", 10_000),
        (RandomForestClassifier(2, random_state=0), "right_child", 0),
        (RandomForestClassifier(2, random_state=0), "feature", 99),
        (HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1), "left", 10_000),
        (HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1), "right", 0),
    ],
)
def test_a_tree_that_leads_astray_is_refused(estimator, field, value):
    """A node beyond the last one, or before its parent, is never walked to."""
    estimator.fit(np.arange(40.0)[:, None], np.arange(40) % 2)
    data = pickle.dumps(estimator)
    forest = isinstance(estimator, RandomForestClassifier)
    if forest:
        nodes = estimator.estimators_[1].tree_.__getstate__()["nodes"]
    else:
        nodes = estimator._predictors[1][0].nodes
    before = nodes.tobytes()
    nodes = nodes.copy()
    nodes[field][0] = value
    with pytest.raises(ArtifactRejected, match="a tree whose nodes lead astray"):
        unpickle(data.replace(before, nodes.tobytes()), "model.pkl")

    assert type(unpickle(data, "model.pkl")) is type(estimator)
