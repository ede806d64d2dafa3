"""skops files load by names trusted before, not by what the file says of itself (SEC-68)."""

import io
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from model import ArtifactRejected
from model.artifact import load_estimator, scan
from model.skops_artifact import scan_skops

FEATURES, LABELS = np.arange(8.0)[:, None], np.arange(8) % 2


def own_function(values):
    return values


def test_a_known_estimator_needs_no_trust():
    """What skops trusts by itself is loaded as it is."""
    fitted = LogisticRegression().fit(FEATURES, LABELS)
    data = skops.io.dumps(fitted)
    loaded = load_estimator(data, "model.skops")

    assert scan(data, "model.skops").unlisted == ()
    np.testing.assert_array_equal(loaded.coef_, fitted.coef_)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (FunctionTransformer(own_function), f"{__name__}:own_function"),
        (RandomForestClassifier(2).fit(FEATURES, LABELS), "sklearn.tree._tree:Tree"),
    ],
)
def test_other_types_need_the_operators_trust(estimator, name):
    """The file's own list opens nothing; the one given with the call does."""
    data = skops.io.dumps(estimator)
    with pytest.raises(ArtifactRejected, match=rf"{name}.*--trust"):
        load_estimator(data, "model.skops")

    assert scan(data, "model.skops").unlisted == (name,)
    assert type(load_estimator(data, "model.skops", [name])) is type(estimator)


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", skops.io.dumps([1])[:-30]])
def test_what_is_no_skops_file_is_refused(data):
    """Empty, cut short, another format: one line."""
    with pytest.raises(ArtifactRejected, match="damaged or not a skops file"):
        scan(data, "model.skops")


def test_the_cap_on_what_is_inside_is_exact():
    """Declared sizes are added up before anything is read; as much as allowed passes."""
    data = skops.io.dumps(LogisticRegression().fit(FEATURES, LABELS))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        size = sum(member.file_size for member in archive.infolist())
    scan_skops(data, "model.skops", max_bytes=size)
    with pytest.raises(ArtifactRejected, match=f"inflates to more than {size - 1:,} bytes"):
        scan_skops(data, "model.skops", max_bytes=size - 1)
