"""XGBoost's and LightGBM's scikit-learn estimators are served like scikit-learn's own."""

import joblib
import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.datasets import make_classification
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from model import ArtifactRejected, Batch, ModelStore
from model.declaration import Declaration
from model.engines.choice import Compiled, compile_proved
from model.estimator.derivation import derive_model
from model.manifest import check_libraries

ROWS, LABELS = make_classification(
    120, n_features=4, n_informative=3, n_redundant=0, random_state=0
)
GAPS = np.where(np.random.default_rng(0).random(ROWS.shape) < 0.1, np.nan, ROWS)
CLASSIFIERS = [
    XGBClassifier(n_estimators=4, n_jobs=4),
    LGBMClassifier(n_estimators=4, n_jobs=4, verbose=-1),
    make_pipeline(StandardScaler(), XGBClassifier(n_estimators=4)),
    make_pipeline(StandardScaler(), LGBMClassifier(n_estimators=4, verbose=-1)),
]
REGRESSORS = [XGBRegressor(n_estimators=4), LGBMRegressor(n_estimators=4, verbose=-1)]


def name(estimator):
    return type(estimator).__name__


@pytest.mark.parametrize("estimator", CLASSIFIERS, ids=name)
def test_boosted_classifier_answers_as_by_itself(estimator):
    """Also for rows with missing values, which such trees are made for."""
    model = derive_model(estimator.fit(GAPS, LABELS), "m", "1", Declaration())
    outputs = model.predict(Batch(GAPS))

    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(GAPS))
    np.testing.assert_allclose(outputs["probabilities"], estimator.predict_proba(GAPS), atol=1e-7)
    assert model.contract.classes == (0, 1)
    assert all(feature.nullable for feature in model.contract.features)
    assert model.contract.feature_names == ("x0", "x1", "x2", "x3")


@pytest.mark.parametrize("estimator", REGRESSORS, ids=name)
def test_boosted_regressor_answers_as_by_itself(estimator):
    """One number for each row."""
    model = derive_model(estimator.fit(ROWS, ROWS[:, 0]), "m", "1", Declaration())

    np.testing.assert_allclose(
        model.predict(Batch(ROWS))["predictions"], estimator.predict(ROWS), rtol=1e-6
    )


@pytest.mark.parametrize("estimator", CLASSIFIERS[:2], ids=name)
def test_boosted_trees_are_kept_to_one_thread(estimator):
    """The number of threads they were saved with would compete with the other workers."""
    derive_model(estimator.fit(ROWS, LABELS), "m", "1", Declaration())

    assert estimator.n_jobs == 1
    if isinstance(estimator, XGBClassifier):
        assert '"nthread":"1"' in estimator.get_booster().save_config()


@pytest.mark.parametrize(
    ("estimator", "categories"),
    [
        (XGBClassifier(n_estimators=4, enable_categorical=True), ("basic", "gold")),
        (LGBMClassifier(n_estimators=4, verbose=-1, min_child_samples=2), None),
    ],
    ids=["XGBClassifier", "LGBMClassifier"],
)
def test_categories_of_a_frame_are_text_for_callers(estimator, categories):
    """XGBoost refuses a category it has not seen, so the list is closed; LightGBM takes any."""
    plan = pd.Categorical(np.where(LABELS > 0, "gold", "basic"))
    frame = pd.DataFrame({"size": ROWS[:, 0], "plan": plan})
    model = derive_model(estimator.fit(frame, LABELS), "m", "1", Declaration())
    columns = {"size": ROWS[:, 0], "plan": np.asarray(plan, dtype=object)}
    outputs = model.predict(Batch.of_columns(columns))

    assert [(f.datatype, f.categories) for f in model.contract.features] == [
        ("FP64", None),
        ("BYTES", categories),
    ]
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(frame))
    assert set(outputs["predictions"].tolist()) == {0, 1}


# LightGBM says so at each call; the served model silences it, pytest sets that aside.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
@pytest.mark.parametrize("estimator", CLASSIFIERS[:2] + REGRESSORS, ids=name)
def test_boosted_trees_are_compiled_for_treelite(estimator):
    """Proved on rows with missing values, and on the thresholds of the trees."""
    targets = GAPS[:, 0] > 0 if hasattr(estimator, "predict_proba") else ROWS[:, 0]
    model = derive_model(estimator.fit(GAPS, targets), "m", "1", Declaration())
    found = compile_proved(model)

    assert isinstance(found, Compiled), found
    assert found.name == "treelite"
    assert found.proof.rows["missing"] > 50
    assert found.proof.rows["threshold"] >= 24
    assert found.proof.largest_difference < 1e-6


# LightGBM says so at each call; the served model silences it, pytest sets that aside.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names")
def test_names_of_a_frame_of_numbers_need_no_frame_at_a_call():
    """Trees that know names take a matrix: no frame is made, and no name is compared."""
    frame = pd.DataFrame(ROWS, columns=list("abcd"))
    for estimator in (CLASSIFIERS[0], CLASSIFIERS[1]):
        model = derive_model(estimator.fit(frame, LABELS), "m", "1", Declaration())

        assert model.contract.feature_names == ("a", "b", "c", "d")
        np.testing.assert_array_equal(
            model.predict(Batch(ROWS))["predictions"], estimator.predict(frame)
        )


def test_another_version_of_the_booster_is_an_error(tmp_path):
    """The manifest keeps it beside scikit-learn's own; a package that is gone is said as well."""
    artifact = tmp_path / "model.joblib"
    joblib.dump(LGBMRegressor(n_estimators=4, verbose=-1).fit(ROWS, LABELS), artifact)
    libraries = ModelStore(tmp_path / "store").add(artifact, "m", "1", "op").libraries
    check_libraries(libraries)

    with pytest.raises(ArtifactRejected, match=r"lightgbm 1\.0 \(here \d"):
        check_libraries({**libraries, "lightgbm": "1.0"})
    with pytest.raises(ArtifactRejected, match=r"nosuch 1\.0 \(here not installed"):
        check_libraries({**libraries, "nosuch": "1.0"})
