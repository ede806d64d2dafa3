"""What a SageMaker endpoint's caller sends and accepts, at /invocations."""

import io
import json
from typing import Any

import numpy as np
import pytest
from app_fixture import AppFixture
from sklearn.datasets import load_wine

WINE = load_wine()
NAMES = list(WINE.feature_names)
ROWS = WINE.data[::60].tolist()
CSV = "\n".join(",".join(map(repr, row)) for row in ROWS)
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


@pytest.fixture(scope="module")
def own(shared_gateway: AppFixture) -> Any:
    """What our own path answers."""
    return shared_gateway.predict(ROWS).json


def invoke(
    gateway: AppFixture, data: str | bytes, content_type: str | None = None, **headers: str
) -> Any:
    return gateway.client.post(
        "/invocations",
        data=data,
        content_type=content_type,
        headers={**gateway.bearer(), **{name.replace("_", "-"): headers[name] for name in headers}},
    )


@pytest.mark.parametrize("content_type", [None, "application/json"])
def test_a_bare_list_is_answered_by_a_bare_list(
    shared_gateway: AppFixture, own: Any, content_type: str | None
) -> None:
    """Of lists or of objects by feature."""
    records = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
    for body in (ROWS, records):
        response = invoke(shared_gateway, json.dumps(body), content_type)

        assert response.status_code == 200
        assert response.json == own["predictions"]


def test_csv_without_names_is_answered_by_csv_without_names(
    shared_gateway: AppFixture, own: Any
) -> None:
    """Where Accept says so; a line for each row."""
    response = invoke(shared_gateway, CSV, "text/csv", Accept="text/csv")

    assert response.content_type == "text/csv; charset=utf-8"
    assert response.text.split() == [str(label) for label in own["predictions"]]


def test_csv_without_names_is_no_mlflow_frame(shared_gateway: AppFixture, own: Any) -> None:
    """So its JSON is the bare list; with the parameter header it is what its sender says."""
    with_names = ",".join(NAMES) + "\n" + CSV

    assert invoke(shared_gateway, CSV, "text/csv").json == own["predictions"]
    assert invoke(shared_gateway, CSV, "text/csv; label_size=0").json == own["predictions"]
    assert invoke(shared_gateway, CSV, "text/csv; header=absent").json == own["predictions"]
    for said in ("text/csv", "text/csv; header=present"):
        assert invoke(shared_gateway, with_names, said).json == {"predictions": own["predictions"]}
    assert invoke(shared_gateway, CSV, "text/csv; header=present").status_code == 422
    assert invoke(shared_gateway, CSV, "text/csv; header=maybe").status_code == 400


def test_mlflows_members_are_answered_in_the_type_that_is_accepted(
    shared_gateway: AppFixture, own: Any
) -> None:
    """`params` and a CSV answer go together: probabilities, a line for each row."""
    body = {"instances": ROWS, "params": {"pyfunc_predict_fn": "predict_proba"}}
    response = invoke(shared_gateway, json.dumps(body), "application/json", Accept="text/csv")

    rows = [[float(cell) for cell in line.split(",")] for line in response.text.split()]
    assert rows == own["probabilities"]


@pytest.mark.parametrize("output", ["probabilities", "predict_proba"])
def test_accept_chooses_the_output(shared_gateway: AppFixture, own: Any, output: str) -> None:
    """SageMaker passes on little else: a parameter of the type says which, in each of them."""
    kinds = ("application/json", "text/csv", "application/x-npy")
    in_json, in_csv, in_npy = (
        invoke(shared_gateway, CSV, "text/csv", Accept=f"{kind}; output={output}") for kind in kinds
    )

    assert in_json.json == own["probabilities"]
    rows = [[float(cell) for cell in line.split(",")] for line in in_csv.text.split()]
    assert rows == own["probabilities"]
    assert np.load(io.BytesIO(in_npy.data)).tolist() == own["probabilities"]


def test_accept_cannot_choose_what_is_not_there(shared_gateway: AppFixture) -> None:
    """With what there is."""
    refused = invoke(shared_gateway, CSV, "text/csv", Accept="text/csv; output=loss")

    assert refused.status_code == 406
    assert "probabilities" in refused.json["message"]


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_arrays_of_objects_are_refused(shared_gateway: AppFixture, kind: str) -> None:
    """sagemaker-inference 1.10.1 unpickles them, and so runs what its caller sends."""
    file, objects = io.BytesIO(), np.array([[print]], dtype=object)
    (np.save if kind == "npy" else np.savez)(file, objects, allow_pickle=True)
    refused = invoke(shared_gateway, file.getvalue(), f"application/x-{kind}")

    assert (refused.status_code, refused.json["error_code"]) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("kind", ["npy", "npz"])
def test_arrays_come_and_go_as_arrays(shared_gateway: AppFixture, own: Any, kind: str) -> None:
    """In the toolkit's binary types."""
    file = io.BytesIO()
    (np.save if kind == "npy" else np.savez)(file, np.array(ROWS))
    answer = invoke(
        shared_gateway, file.getvalue(), f"application/x-{kind}", Accept=f"application/x-{kind}"
    )
    loaded = np.load(io.BytesIO(answer.data))

    assert (loaded if kind == "npy" else loaded["predictions"]).tolist() == own["predictions"]


@pytest.mark.parametrize(
    "value", ["trace-id=77; source=mobile", "x" * 1024, "~ ! {\"a\": [1]} ,;"], ids=len
)  # fmt: skip
def test_custom_attributes_come_back(shared_gateway: AppFixture, value: str) -> None:
    """As they were sent."""
    response = invoke(shared_gateway, CSV, "text/csv", **{ATTRIBUTES: value})

    assert response.headers[ATTRIBUTES] == value


@pytest.mark.parametrize("value", ["x" * 1025, "é", "a\tb", "a\x7fb", "a\x01"])
def test_custom_attributes_that_the_platform_would_not_pass_are_refused(
    shared_gateway: AppFixture, value: str
) -> None:
    """Too long, not ASCII, control characters: nothing of them is in the answer."""
    response = shared_gateway.send(
        "/invocations",
        {"HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES": value},
        method="POST",
        data=CSV,
        content_type="text/csv",
        headers=shared_gateway.bearer(),
    )

    assert response.status_code == 400
    assert ATTRIBUTES not in response.headers
    assert value not in response.get_data(as_text=True)


def test_without_custom_attributes_there_are_none(shared_gateway: AppFixture) -> None:
    """The header is not made up."""
    assert ATTRIBUTES not in invoke(shared_gateway, CSV, "text/csv").headers


def test_what_cannot_be_accepted_is_not_charged(gateway: AppFixture) -> None:
    """406 before the model is asked, with what can be given."""
    before = gateway.client.get("/v1/limits", headers=gateway.bearer()).json
    response = invoke(gateway, CSV, "text/csv", Accept="image/png")
    after = gateway.client.get("/v1/limits", headers=gateway.bearer()).json

    rows = [
        {limit["name"]: limit["remaining"] for limit in answer["limits"]}["rows_per_hour"]
        for answer in (before, after)
    ]
    assert response.status_code == 406
    assert rows[0] == rows[1]
