"""Bytes become a model only after they are known to be the right ones, and never half."""

import gzip
import os
import pickle
import sys

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from model import ArtifactRejected
from model.artifact import artifact_stem, load_estimator, read_verified, scan, sha256_hex

FITTED = LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1])


class Canary:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Quitter:
    """Asks the interpreter to end when it is unpickled."""

    def __reduce__(self):
        return sys.exit, ("bye",)


class Bomb:
    """Raises with a text of its own when it is unpickled."""

    def __reduce__(self):
        return int, ("secret text",)


def by_joblib(path, **options):
    joblib.dump(FITTED, path, **options)


def by_pickle(path):
    path.write_bytes(pickle.dumps(FITTED))


@pytest.mark.parametrize(
    ("filename", "save"),
    [
        ("model.joblib", by_joblib),
        ("model.pkl", by_pickle),
        ("model.pickle", lambda path: by_joblib(path, compress=("zlib", 3))),
        ("model.pkl", lambda path: path.write_bytes(gzip.compress(pickle.dumps(FITTED)))),
    ],
    ids=["joblib", "pickle", "compressed joblib", "compressed pickle"],
)
def test_saved_estimator_is_loaded(tmp_path, filename, save):
    """The usual ways to save an estimator are read, whatever the suffix says."""
    path = tmp_path / filename
    save(path)
    data = read_verified(path, sha256_hex(path.read_bytes()))

    np.testing.assert_array_equal(load_estimator(data, filename).coef_, FITTED.coef_)


def test_one_flipped_bit_is_refused_and_nothing_runs(tmp_path):
    """SEC-63: bytes that differ from those added are never unpickled."""
    path, marker = tmp_path / "model.pkl", tmp_path / "ran"
    data = bytearray(pickle.dumps(Canary(marker)))
    path.write_bytes(data)
    digest = sha256_hex(bytes(data))
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ArtifactRejected, match=r"model\.pkl is not the file that was added"):
        read_verified(path, digest)

    assert not marker.exists()


def test_file_swapped_after_the_check_changes_nothing(tmp_path):
    """SEC-63: what is loaded is the buffer that was checked, not the file of that name."""
    path, marker = tmp_path / "model.joblib", tmp_path / "ran"
    by_joblib(path)
    data = read_verified(path, sha256_hex(path.read_bytes()))
    path.write_bytes(pickle.dumps(Canary(marker)))
    estimator = load_estimator(data, path.name)

    np.testing.assert_array_equal(estimator.coef_, FITTED.coef_)
    assert not marker.exists()


def test_missing_file_is_refused(tmp_path):
    """A file that is not there is a rejected artifact, not an OSError."""
    with pytest.raises(ArtifactRejected, match=r"model\.pkl cannot be read"):
        read_verified(tmp_path / "model.pkl", "0" * 64)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a pickle",
        pickle.dumps(FITTED)[:-20],
        pickle.dumps(Quitter()),
        pickle.dumps(Bomb()),
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\x00.",
    ],
    ids=["empty", "text", "cut short", "exits", "raises", "claims a huge length"],
)
def test_bytes_that_do_not_load_are_refused(data):
    """Whatever happens while loading is ArtifactRejected; foreign text is not repeated."""
    with pytest.raises(ArtifactRejected, match=r"model\.pkl cannot be loaded") as caught:
        load_estimator(data, "model.pkl", trusted=["sys:exit", "builtins:int"])

    assert caught.value.__cause__ is not None
    assert "secret text" not in caught.value.reason


def test_missing_library_is_named():
    """The operator learns which module to install."""
    data = pickle.dumps(FITTED, protocol=0).replace(b"sklearn.linear_model", b"boosterlib.trees.x")
    trusted = scan(data, "model.pkl").unlisted
    with pytest.raises(ArtifactRejected, match="'boosterlib', which is not installed"):
        load_estimator(data, "model.pkl", trusted)


def test_estimator_of_another_scikit_learn_is_refused():
    """SEC-66: scikit-learn's warning about an estimator from another version is an error here."""
    here = LogisticRegression().__getstate__()["_sklearn_version"]
    data = pickle.dumps(FITTED).replace(here.encode(), b"0" + here.encode()[1:])
    with pytest.raises(ArtifactRejected, match=f"was saved by scikit-learn 0.*this is {here}"):
        load_estimator(data, "model.pkl")


@pytest.mark.parametrize(
    ("filename", "stem"),
    [
        ("churn.pkl", "churn"),
        ("churn.v2.joblib.xz", "churn.v2"),
        ("churn.PICKLE.gz", "churn"),
        ("churn.onnx", "churn"),
        ("churn.skops", "churn"),
        ("churn.csv", "churn.csv"),
    ],
)
def test_a_models_name_is_what_precedes_its_suffixes(filename, stem):
    """Both suffixes of a compressed pickle go; what is no model file keeps its name."""
    assert artifact_stem(filename) == stem


@pytest.mark.parametrize("filename", ["model.onnx", "model.txt", "model.gz"])
def test_other_files_are_no_estimators(filename):
    """Only names of pickles and skops files are opened as such."""
    with pytest.raises(ArtifactRejected, match="no file of an estimator"):
        scan(b"", filename)
