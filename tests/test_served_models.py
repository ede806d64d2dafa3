"""The models a worker serves are swapped whole, and one that fails never takes others with it."""

import json
import threading
import time
from dataclasses import replace

import joblib
import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from gateway.control.snapshot import DeployedVersion
from model import (
    Batch,
    Contract,
    Feature,
    InvalidInput,
    LoadedModel,
    Manifest,
    ModelFailed,
    ModelNotReady,
    ModelStore,
    Output,
    ServedModel,
    ServedModels,
    UnknownModel,
    UnknownVersion,
)
from model.signature import CallLimits

CONTRACT = Contract(
    model_name="wine",
    model_version="1",
    description="",
    features=(Feature("ash"),),
    outputs=(Output("predictions", "FP64", (-1,)),),
    example=((1.0,), (2.0,), (3.0,)),
)
BROKEN = DeployedVersion("2", "0" * 64)
MANIFEST = Manifest("wine", "1", "model.pkl", {}, {}, {}, {}, (), (), "", "ada")


class Answering:
    """A model that answers by a function, and counts how often it is asked."""

    contract = CONTRACT

    def __init__(self, answer):
        self._answer = answer
        self.row_counts = []

    def predict(self, batch):
        self.row_counts.append(batch.row_count)
        return {"predictions": self._answer(batch.values[:, 0])}


class Gate:
    """An artifact that waits, while it is loaded, until the test lets it pass."""

    n_features_in_ = 1
    reached = threading.Event()
    opened = threading.Event()
    closed = False

    def __init__(self):
        # Pickle calls __setstate__ only for an object that has a state.
        self.fitted = True

    def predict(self, values):
        return values[:, 0]

    def __setstate__(self, state):
        if Gate.closed:
            Gate.reached.set()
            assert Gate.opened.wait(30)


def served(answer, clock=time.perf_counter):
    model = Answering(answer)
    return model, ServedModel(LoadedModel(model, MANIFEST), clock)


@pytest.fixture
def store(tmp_path):
    return ModelStore(tmp_path / "models")


@pytest.fixture
def add(tmp_path, store):
    """Add a version that multiplies by `factor` (or any other estimator)."""

    def add(name, version, factor=1.0, estimator=None):
        line = estimator or LinearRegression(fit_intercept=False).fit([[1.0]], [factor])
        joblib.dump(line, tmp_path / "model.joblib")
        path = tmp_path / "model.joblib"
        manifest = store.add(path, name, version, "ada", trust=True)
        return DeployedVersion(version, manifest.digest)

    return add


@pytest.fixture
def models(store):
    return ServedModels(store)


def in_service(*deployed):
    """The deployments of one model, by version."""
    return {each.version: each for each in deployed}


def answer_of(served_model):
    return float(served_model.predict(Batch.from_rows([[1.0]])).outputs["predictions"][0])


def test_active_version_is_served_with_its_facts(add, models):
    """A prediction says which version answered, by its digest too."""
    deployed = add("wine", "1", factor=3.0)
    outcomes = models.apply({"wine": in_service(deployed)})
    prediction = models.get("wine").predict(Batch.from_rows([[2.0], [4.0]]))

    assert [(o.name, o.version, o.error) for o in outcomes] == [("wine", "1", None)]
    assert prediction.outputs["predictions"].tolist() == pytest.approx([6.0, 12.0])
    assert (prediction.model_name, prediction.model_version) == ("wine", "1")
    assert (prediction.digest, prediction.classes) == (deployed.manifest_digest, None)


def test_nothing_is_ready_before_anything_is_applied(models):
    """A worker without a model is not ready, and knows no model."""
    assert not models.ready
    assert models.states() == {}
    with pytest.raises(UnknownModel):
        models.get("wine")


def test_unchanged_model_is_kept_new_one_loaded_and_gone_one_dropped(add, models):
    """Applying loads only what changed."""
    wine, beer, cider = [in_service(add(name, "1")) for name in ("wine", "beer", "cider")]
    models.apply({"wine": wine, "beer": beer})
    before = models.get("wine")
    outcomes = models.apply({"wine": wine, "cider": cider})

    assert [outcome.name for outcome in outcomes] == ["cider"]
    assert models.get("wine") is before
    assert models.names() == ["cider", "wine"]
    with pytest.raises(UnknownModel):
        models.get("beer")


def test_promotion_and_rollback_change_who_answers(add, models):
    """The next call after a swap is answered by the version then active."""
    one, two = add("wine", "1", factor=1.0), add("wine", "2", factor=2.0)
    answers = []
    for current in (one, two, one):
        models.apply({"wine": in_service(current)})
        answers.append(answer_of(models.get("wine")))

    assert answers == pytest.approx([1.0, 2.0, 1.0])


def test_other_version_than_the_active_one_is_unknown(add, models):
    """A version may be asked for by name while it is the active one."""
    models.apply({"wine": in_service(add("wine", "1"))})

    assert models.get("wine", "1") is models.get("wine")
    with pytest.raises(UnknownVersion):
        models.get("wine", "2")


def test_failed_version_leaves_the_old_one_serving(add, models):
    """A promotion that fails is told in the state; callers notice nothing."""
    good = add("wine", "1")
    models.apply({"wine": in_service(good)})
    outcomes = models.apply({"wine": in_service(BROKEN)})
    state = models.states()["wine"]

    assert [type(outcome.error).__name__ for outcome in outcomes] == ["ArtifactRejected"]
    assert models.get("wine").version == "1"
    assert (state["state"], state["version"], state["wanted_version"]) == ("ready", "1", "2")
    assert "manifest.json cannot be read" in state["reason"]


def test_failed_model_without_an_old_version_is_not_ready_while_others_serve(add, models):
    """One broken model answers for itself only."""
    models.apply({"beer": in_service(BROKEN), "wine": in_service(add("wine", "1"))})
    states = models.states()

    assert models.ready
    assert models.get("wine").version == "1"
    assert (states["beer"]["state"], states["beer"]["version"]) == ("failed", None)
    with pytest.raises(ModelNotReady):
        models.get("beer")
    json.dumps(states)


def test_only_failed_models_is_not_ready(models):
    """Ready means that a model has answered its example here."""
    models.apply({"wine": in_service(BROKEN)})

    assert not models.ready


def test_repaired_version_serves_at_the_next_apply(tmp_path, add, models):
    """A failure is tried again, and its reason goes with it."""
    deployed = add("wine", "1")
    folder = tmp_path / "models" / "wine" / "1"
    folder.rename(tmp_path / "lost")
    models.apply({"wine": in_service(deployed)})
    failed = models.states()["wine"]
    (tmp_path / "lost").rename(folder)
    models.apply({"wine": in_service(deployed)})

    assert failed["state"] == "failed"
    assert models.states()["wine"] == {
        "state": "ready",
        "version": "1",
        "digest": deployed.manifest_digest,
        "wanted_version": "1",
        "reason": None,
        "versions": {
            "1": {
                "role": "current",
                "percent": 0.0,
                "sunset_at": None,
                "state": "ready",
                "reason": None,
                "private": True,
            }
        },
    }


def test_old_version_answers_while_the_new_one_loads(add, models):
    """Loading blocks no reader; a model that never served is not ready until it has loaded."""
    old, new = add("wine", "1", factor=2.0), add("wine", "2", estimator=Gate())
    models.apply({"wine": in_service(old)})
    Gate.closed = True
    applying = threading.Thread(
        target=models.apply, args=({"wine": in_service(new), "beer": in_service(old)},)
    )
    applying.start()
    try:
        assert Gate.reached.wait(30)
        during = models.get("wine").version, models.states()["beer"]["state"]
        with pytest.raises(ModelNotReady):
            models.get("beer")
    finally:
        Gate.closed = False
        Gate.opened.set()
        applying.join(30)

    assert during == ("1", "loading")
    assert models.get("wine").version == "2"


def test_readers_see_one_whole_version_while_versions_are_swapped(add, models):
    """Between two versions there is no moment without a model, and none with half of one."""
    versions = {"1": add("wine", "1", factor=1.0), "2": add("wine", "2", factor=2.0)}
    models.apply({"wine": in_service(versions["1"])})
    stop, answers, errors = threading.Event(), set(), []

    def read():
        try:
            while not stop.is_set():
                model = models.get("wine")
                answers.add((model.version, round(answer_of(model), 6)))
        except Exception as exc:
            errors.append(exc)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for turn in range(10):
        models.apply({"wine": in_service(versions["2" if turn % 2 == 0 else "1"])})
    stop.set()
    for reader in readers:
        reader.join(30)

    assert errors == []
    assert answers <= {("1", 1.0), ("2", 2.0)}


def test_versions_answer_side_by_side_each_in_its_role(add, models):
    """Who names a version reaches current, canary and retired; a shadow is for nobody."""
    versions = [
        add("wine", "1", factor=1.0),
        replace(add("wine", "2", factor=2.0), role="canary", percent=10.0),
        replace(add("wine", "3", factor=3.0), role="shadow"),
        replace(add("wine", "4", factor=4.0), role="retired", deprecated_at=1.0, sunset_at=9.0),
    ]
    models.apply({"wine": in_service(*versions)})
    answers = {v: answer_of(models.get("wine", v)) for v in ("1", "2", "4")}
    retired = models.get("wine", "4")

    assert answers == pytest.approx({"1": 1.0, "2": 2.0, "4": 4.0})
    assert answer_of(models.get("wine")) == pytest.approx(1.0)
    assert answer_of(models.shadow("wine")) == pytest.approx(3.0)
    assert (retired.role, retired.deprecated_at, retired.sunset_at) == ("retired", 1.0, 9.0)
    assert [model.version for model in models.versions("wine")] == ["1", "2", "4"]
    with pytest.raises(UnknownVersion):
        models.get("wine", "3")


@pytest.mark.parametrize("percent", [0.5, 10.0, 50.0, 100.0])
def test_a_canary_answers_its_share_of_the_callers(add, models, percent):
    """About so many of 4,000, each always the same way; nobody who is not named."""
    canary = replace(add("wine", "2"), role="canary", percent=percent)
    models.apply({"wine": in_service(add("wine", "1"), canary)})
    callers = [f"partner-{number}" for number in range(4000)]
    chosen = {c for c in callers if models.get("wine", sticky=c).version == "2"}

    assert len(chosen) / 4000 == pytest.approx(percent / 100, abs=0.03)
    assert all(models.get("wine", sticky=c).role == "canary" for c in chosen)
    assert models.get("wine").version == "1"


def test_a_larger_share_keeps_the_callers_of_the_smaller_one(add, models):
    """Raising the percentage takes nobody back; another model has other first callers."""
    current, canary = add("wine", "1"), add("wine", "2")
    beer = [add("beer", "1"), replace(add("beer", "2"), role="canary", percent=20.0)]
    chosen = []
    for percent in (20.0, 60.0):
        share = replace(canary, role="canary", percent=percent)
        models.apply({"wine": in_service(current, share), "beer": in_service(*beer)})
        callers = [str(number) for number in range(300)]
        chosen.append({c for c in callers if models.get("wine", sticky=c).version == "2"})
    of_beer = {c for c in callers if models.get("beer", sticky=c).version == "2"}

    assert chosen[0] < chosen[1]
    assert of_beer != chosen[0]


def test_a_version_changes_its_role_without_being_loaded_again(tmp_path, add, models):
    """From canary to current to retired it is the same memory, whatever became of the files."""
    one, two = add("wine", "1", factor=1.0), add("wine", "2", factor=2.0)
    models.apply({"wine": in_service(one, replace(two, role="canary", percent=1.0))})
    (tmp_path / "models" / "wine").rename(tmp_path / "lost")
    retired = replace(one, role="retired", sunset_at=9.0)
    assert models.missing({"wine": in_service(two, retired)}) == set()
    outcomes = models.apply({"wine": in_service(two, retired)})
    swapped = models.get("wine"), models.get("wine", "1")
    outcomes += models.apply({"wine": in_service(one)})

    assert outcomes == []
    assert [(model.version, model.role) for model in swapped] == [
        ("2", "current"),
        ("1", "retired"),
    ]
    assert (models.get("wine").version, models.get("wine").sunset_at) == ("1", None)


def test_a_canary_that_cannot_be_loaded_answers_nobody(add, models):
    """All go to the current version; who names it is told to come back."""
    broken = replace(BROKEN, role="canary", percent=100.0)
    models.apply({"wine": in_service(add("wine", "1"), broken)})
    state = models.states()["wine"]

    assert models.get("wine", sticky="acme").version == "1"
    assert (state["state"], state["reason"]) == ("ready", None)
    assert state["versions"]["2"]["state"] == "failed"
    assert "manifest.json cannot be read" in state["versions"]["2"]["reason"]
    with pytest.raises(ModelNotReady):
        models.get("wine", "2")


def test_the_last_good_version_stands_in_after_a_restart(add, models):
    """Where nothing serves and the current version fails, the one promoted before it is loaded."""
    worse = replace(DeployedVersion("3", "0" * 64), role="standby", stand_in=1)
    good = replace(add("wine", "1", factor=3.0), role="standby", stand_in=2)
    outcomes = models.apply({"wine": in_service(BROKEN, worse, good)})
    state = models.states()["wine"]

    assert answer_of(models.get("wine")) == pytest.approx(3.0)
    assert [(o.version, o.error is None, o.serving) for o in outcomes] == [
        ("2", False, None),
        ("3", False, None),
        ("1", True, "1"),
    ]
    assert (state["state"], state["version"], state["wanted_version"]) == ("ready", "1", "2")
    assert set(state["versions"]) == {"2"}
    assert models.get("wine", "1").role == "current"


def test_nothing_is_loaded_only_to_stand_by(add, models):
    """A version promoted before costs no memory while the current one serves."""
    earlier = replace(BROKEN, role="standby", stand_in=1)
    outcomes = models.apply({"wine": in_service(add("wine", "1"), earlier)})

    assert [outcome.version for outcome in outcomes] == ["1"]
    with pytest.raises(UnknownVersion):
        models.get("wine", "2")


def test_a_retired_version_that_stands_in_is_loaded_once(add, models):
    """It answers those who name it as retired, and all others in place of the current one."""
    retired = replace(add("wine", "1"), role="retired", sunset_at=9.0, stand_in=1)
    outcomes = models.apply({"wine": in_service(BROKEN, retired)})
    roles = models.get("wine").role, models.get("wine", "1").role

    assert roles == ("current", "retired")
    assert models.get("wine").sunset_at is None
    assert len([outcome for outcome in outcomes if outcome.version == "1"]) == 2
    assert models.missing({"wine": in_service(BROKEN, retired)}) == {("wine", "2")}


def test_model_is_asked_exactly_once():
    """One call is one call of the model, with all rows."""
    model, served_model = served(lambda column: column)
    model.row_counts.clear()
    served_model.predict(Batch.from_rows([[1.0], [2.0]]))

    assert model.row_counts == [2]


def test_exception_inside_the_model_is_model_failed():
    """Whatever a model raises is one error of ours, with the cause for the log."""

    def raise_for_negative(column):
        if (column < 0).any():
            raise ZeroDivisionError("secret of the model")
        return column

    _, served_model = served(raise_for_negative)
    with pytest.raises(ModelFailed) as caught:
        served_model.predict(Batch.from_rows([[-1.0]]))

    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "spoil",
    [lambda c: c[:-1], lambda c: np.append(c, 1.0), lambda c: c * np.nan, lambda c: c + np.inf],
    ids=["too few", "too many", "nan", "infinity"],
)
def test_answer_that_does_not_fit_is_model_failed(spoil):
    """Every output has one finite entry for each row, or there is no answer."""
    _, served_model = served(lambda column: spoil(column) if (column < 0).any() else column)
    with pytest.raises(ModelFailed):
        served_model.predict(Batch.from_rows([[-1.0], [-2.0]]))


def test_model_that_fails_on_its_example_does_not_serve():
    """A model comes into service only after it has answered."""
    with pytest.raises(ModelFailed):
        served(lambda column: column[:0])


def test_duration_is_estimated_on_the_line_through_two_measurements():
    """A model that takes 10 ms and 2 ms a row is estimated so, for any number of rows."""
    now_s = 0.0

    def slow(column):
        nonlocal now_s
        now_s += 0.010 + 0.002 * len(column)
        return column

    model, served_model = served(slow, clock=lambda: now_s)

    assert served_model.estimate_s(1) == pytest.approx(0.012)
    assert served_model.estimate_s(256) == pytest.approx(0.522)
    assert served_model.estimate_s(10_000) == pytest.approx(20.010)
    assert set(model.row_counts) == {1, 256}


def test_estimate_never_falls_with_more_rows():
    """Where more rows were measured faster by chance, rows cost nothing rather than less."""
    times = iter([0.0, 0.05] * 3 + [0.0, 0.01] * 3)
    _, served_model = served(lambda column: column, clock=lambda: next(times))

    assert served_model.estimate_s(10_000) == served_model.estimate_s(1) == pytest.approx(0.05)


def test_limits_of_the_contract_are_kept():
    """At most so many rows, no longer than so many seconds; and rows weigh what they cost."""
    contract = replace(CONTRACT, limits=CallLimits(max_rows=3, deadline_s=0.5), cost=1.5)
    model = Answering(lambda column: column)
    model.contract = contract
    served_model = ServedModel(LoadedModel(model, MANIFEST))
    served_model.check(Batch.from_rows([[1.0]] * 3))
    with pytest.raises(InvalidInput) as caught:
        served_model.check(Batch.from_rows([[1.0]] * 4))

    assert [fault.code for fault in caught.value.faults] == ["too_many_rows"]
    assert (served_model.allowed_s(10.0), served_model.allowed_s(0.2)) == (0.5, 0.2)
    assert [served_model.charged_rows(rows) for rows in (1, 2, 3)] == [2, 3, 5]


def test_a_model_of_columns_is_measured_by_its_columns():
    """The example of mixed type is repeated row by row; no row is mixed with another."""
    features = (Feature("age", "INT64"), Feature("name", "BYTES"))
    rows = ((1, "a"), (2, "b"), (3, "c"))
    model = Answering(None)
    model.contract = replace(CONTRACT, features=features, example=rows)
    seen = []
    model.predict = lambda batch: seen.append(batch) or {"predictions": np.zeros(batch.row_count)}
    ServedModel(LoadedModel(model, MANIFEST))
    measured = seen[-1].columns

    assert {batch.row_count for batch in seen} == {1, 256}
    assert set(zip(measured["age"].tolist(), measured["name"], strict=True)) == set(rows)
