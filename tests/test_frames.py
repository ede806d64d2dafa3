"""Estimators fitted on data frames are asked with named columns of their own types."""

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_regressor
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

from model import ArtifactRejected, Batch, Feature
from model.declaration import Declaration
from model.estimator.derivation import derive_model

_RANDOM = np.random.default_rng(0)
COUNT = 60
FRAME = pd.DataFrame(
    {
        "id": [f"c{index}" for index in range(COUNT)],
        "age": np.where(_RANDOM.random(COUNT) < 0.2, np.nan, _RANDOM.normal(40, 10, COUNT)),
        "income": _RANDOM.lognormal(8, 1, COUNT),
        "plan": _RANDOM.choice(["basic", "gold"], COUNT),
        "city": pd.Series(_RANDOM.choice(["Bern", "Rome", None], COUNT), dtype=object),
        "rooms": _RANDOM.integers(1, 4, COUNT),
        "member": _RANDOM.random(COUNT) < 0.5,
    }
)
OUTCOME = np.where(FRAME["income"] > FRAME["income"].median(), "yes", "no")


def columns_of_all_types(**options):
    return make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), ["age", "income"]),
        (OneHotEncoder(sparse_output=False), ["plan", "member"]),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["city"]),
        (OrdinalEncoder(), ["rooms"]),
        **options,
    )


def column(values, feature):
    """The values as a call brings them in."""
    values = [None if pd.isna(value) else value for value in values]
    if feature.datatype == "FP64":
        return np.array(values, dtype=np.float64)
    if feature.datatype == "BYTES" or (feature.datatype == "BOOL" and feature.nullable):
        return np.array(values, dtype=object)
    if feature.datatype == "BOOL":
        return np.array(values, dtype=np.bool_)
    return np.array(values, dtype=np.float64 if feature.nullable else np.int64)


def batch_of(frame, contract):
    columns = {f.name: column(frame[f.name].tolist(), f) for f in contract.features}
    if contract.dense:
        return Batch(np.column_stack(list(columns.values())))
    return Batch.of_columns(columns)


def derived(estimator, frame=FRAME, outcome=OUTCOME, declaration=None):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        estimator.fit(frame, outcome)
    return derive_model(estimator, "m", "1", declaration or Declaration())


def assert_same_answers(model, estimator, frame=FRAME):
    outputs = model.predict(batch_of(frame, model.contract))

    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(frame))
    if "probabilities" in outputs:
        np.testing.assert_allclose(
            outputs["probabilities"], estimator.predict_proba(frame), atol=1e-12
        )


def test_types_and_categories_are_read_from_the_fitted_parts():
    """What an encoder knows is the type of its column; what it refuses is not accepted."""
    model = derived(make_pipeline(columns_of_all_types(), LogisticRegression()))

    assert model.contract.features == (
        Feature("age", nullable=True),
        Feature("income", nullable=True),
        Feature("plan", "BYTES", categories=("basic", "gold")),
        Feature("city", "BYTES", nullable=True),
        Feature("rooms", "INT64", categories=(1, 2, 3)),
        Feature("member", "BOOL"),
    )


def test_example_has_typical_values_of_each_type():
    """Medians that an imputer keeps, to four digits, and the first category of an encoder."""
    model = derived(make_pipeline(columns_of_all_types(), LogisticRegression()))
    medians = [float(f"{median:.4g}") for median in FRAME[["age", "income"]].median()]

    assert model.contract.example == ((*medians, "basic", "Bern", 1, False),)


@pytest.mark.parametrize(
    "estimator",
    [
        make_pipeline(columns_of_all_types(), LogisticRegression()),
        make_pipeline(columns_of_all_types(), Ridge()),
        GridSearchCV(
            make_pipeline(columns_of_all_types(), LogisticRegression()),
            {"logisticregression__C": [1.0, 2.0]},
            cv=2,
        ),
        make_pipeline(
            columns_of_all_types(verbose_feature_names_out=False).set_output(transform="pandas"),
            HistGradientBoostingClassifier(max_iter=3),
        ),
        make_pipeline(
            make_column_transformer(
                (StandardScaler(), make_column_selector(dtype_include="number")),
                (OneHotEncoder(handle_unknown="ignore"), make_column_selector("plan|city")),
                ("drop", ["id"]),
                remainder="passthrough",
                sparse_threshold=0,
            ),
            HistGradientBoostingClassifier(max_iter=3),
        ),
        make_pipeline(
            make_column_transformer((CountVectorizer(analyzer="char"), "id"), ("drop", ["age"])),
            LogisticRegression(),
        ),
    ],
    ids=["classifier", "regressor", "search", "frames inside", "selectors", "text column"],
)
def test_frame_is_answered_as_the_estimator_answers_it(estimator):
    """The frame made of a batch gives the answers of the frame it was made from."""
    outcome = FRAME["income"] if is_regressor(estimator) else OUTCOME
    model = derived(estimator, outcome=outcome)

    assert_same_answers(model, estimator)


def test_histogram_boosting_takes_categories_of_the_frame():
    """Columns of pandas' categorical type are text for callers."""
    frame = FRAME[["age", "plan"]].assign(plan=FRAME["plan"].astype("category"))
    estimator = HistGradientBoostingClassifier(max_iter=3)
    model = derived(estimator, frame)

    assert [(f.name, f.datatype, f.nullable) for f in model.contract.features] == [
        ("age", "FP64", True),
        ("plan", "BYTES", True),
    ]
    assert_same_answers(model, estimator, frame)


def test_numbers_by_name_stay_the_fast_kind_of_batch():
    """A pipeline that picks numbers by name gets a frame; callers send a plain matrix."""
    frame = FRAME[["income", "age"]]
    estimator = make_pipeline(
        make_column_transformer((SimpleImputer(), ["age"]), remainder="passthrough"),
        LogisticRegression(),
    )
    model = derived(estimator, frame)

    assert model.contract.dense
    assert model.contract.feature_names == ("income", "age")
    assert_same_answers(model, estimator, frame)


def test_own_function_gets_the_frame_it_was_written_for():
    """A function in a pipeline may name its columns."""
    ratio = FunctionTransformer(lambda frame: frame[["income"]] / 12)
    frame = FRAME[["income", "rooms"]]
    estimator = make_pipeline(ratio, StandardScaler(), LogisticRegression())

    assert_same_answers(derived(estimator, frame), estimator, frame)


def test_missing_text_is_filled_as_in_training():
    """None from a caller is what pandas calls missing, so that an imputer fills it."""
    city = FRAME[["city"]].astype("str").where(FRAME[["city"]].notna())
    estimator = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["city"])
        ),
        LogisticRegression(),
    )
    model = derived(estimator, city)

    assert model.contract.features == (
        Feature("city", "BYTES", nullable=True, categories=("Bern", "Rome")),
    )
    assert_same_answers(model, estimator, city)


def test_missing_value_is_promised_only_where_it_is_answered():
    """A column that is filled in one branch and used raw in another may not be missing."""
    estimator = make_pipeline(
        make_column_transformer((SimpleImputer(), ["age", "income"]), ("passthrough", ["age"])),
        LogisticRegression(),
    )
    frame = FRAME[["age", "income"]].fillna(40.0)

    assert [f.nullable for f in derived(estimator, frame).contract.features] == [False, True]


def test_declaration_decides_where_the_parts_do_not_tell():
    """A column that passes through has no type of its own: model.toml gives it one."""
    frame = FRAME[["income", "member"]]
    estimator = make_pipeline(
        make_column_transformer((StandardScaler(), ["income"]), remainder="passthrough"),
        LogisticRegression(),
    )
    features = (Feature("member", "BOOL", description="Whether in the club."),)
    model = derived(estimator, frame, declaration=Declaration(features=features))

    assert model.contract.features == (Feature("income"), *features)
    assert_same_answers(model, estimator, frame)


def test_matrix_of_objects_needs_no_frame():
    """Without names the columns are numbered, and typed all the same."""
    matrix = FRAME[["plan", "rooms"]].to_numpy(dtype=object)
    estimator = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(matrix, OUTCOME)
    model = derive_model(estimator, "m", "1", Declaration())
    columns = {"x0": matrix[:, 0], "x1": matrix[:, 1].astype(np.int64)}
    outputs = model.predict(Batch.of_columns(columns))

    assert model.contract.features == (
        Feature("x0", "BYTES", categories=("basic", "gold")),
        Feature("x1", "INT64", categories=(1, 2, 3)),
    )
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(matrix))


def test_model_of_texts_takes_one_column_of_text():
    """A vectorizer in front makes a model of one feature, whose example it can read."""
    texts = np.array(["good film", "bad film", "great good", "awful bad"] * 5, dtype=object)
    estimator = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0] * 10)
    model = derive_model(estimator, "m", "1", Declaration())
    outputs = model.predict(Batch.of_columns({"text": texts}))

    assert model.contract.features == (Feature("text", "BYTES"),)
    assert set(model.contract.example[0][0].split()) <= set(estimator[0].vocabulary_)
    np.testing.assert_array_equal(outputs["predictions"], estimator.predict(texts))


def test_missing_pandas_is_named_with_its_remedy(monkeypatch):
    """Data frames are an extra: one sentence says how to get it."""
    estimator = make_pipeline(columns_of_all_types(), LogisticRegression()).fit(FRAME, OUTCOME)
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ArtifactRejected, match="need pandas: install it with `make extras`"):
        derive_model(estimator, "m", "1", Declaration())
