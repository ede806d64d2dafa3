"""Seldon Core v1, as its wrapper, its executor and its clients speak it over REST.

Sources: Seldon Core v1, reference pages "External Prediction API" and "Internal Microservice API",
proto/prediction.proto. A deployment is a model here; paths without one are the default model's.
"""

import re
from collections.abc import Sequence
from typing import Any

from gateway.dialects import seldon_operations as operations
from gateway.dialects.endpoint import Call, Dialect, Endpoint, Reply
from gateway.dialects.seldon_body import read_document
from gateway.dialects.seldon_feedback import read_feedback
from gateway.dialects.seldon_message import Reader
from gateway.dialects.seldon_meta import PUID_HEADER, read_meta
from gateway.dialects.seldon_reply import answer, message, output_names, problem
from gateway.errors import NotReady
from gateway.principal import PUBLIC
from gateway.wire.encode import encode_json
from gateway.wire.media_type import JSON
from model import Contract, ServedModel

TEXT = "text/plain; charset=utf-8"


def predict(call: Call) -> Reply:
    """One output as a table, in the kind that was sent."""
    model = call.model()
    names = output_names(model.contract, call.query("output"))
    document, countable = read_document(call)
    asked = _reader(call, model).read(document, whole=countable)
    prediction = call.predict(model, asked.rows())
    return answer(prediction, model.contract, asked.kind, asked.meta, names)


def feedback(call: Call) -> Reply:
    """What became of rows that the model was asked about: a reward, the truth, or both."""
    model = call.model()
    document, _ = read_document(call)
    said = read_feedback(document, _reader(call, model))
    call.take_feedback(model, said.batch, said.reward, said.truth)
    return message({}, said.meta.answered(model.name, model.version))


def _reader(call: Call, model: ServedModel) -> Reader:
    return Reader(model.contract, call.header(PUID_HEADER), call.request_id, call.max_rows)


def live(_call: Call) -> Reply:
    """For probes: as Seldon's wrapper answers."""
    return Reply(b"pong", TEXT)


def ready(call: Call) -> Reply:
    """For probes: whether this worker can serve. Raises: NotReady."""
    if not call.ready:
        raise NotReady
    return Reply(b"ready", TEXT)


def deployment_ready(call: Call) -> Reply:
    """Whether one model serves; needs a token, for it tells which models there are."""
    call.model()
    return Reply(b"ready", TEXT)


def status(call: Call) -> Reply:
    """Whether the model serves; one that does not is a problem, and says nothing of the cause."""
    model = call.model()
    meta = read_meta(None, call.header(PUID_HEADER), call.request_id)
    said = {"strData": f"{model.name} serves version {model.version}"}
    return message(said, meta.answered(model.name, model.version))


def metadata(call: Call) -> Reply:
    """What the model takes and gives, as a class of Seldon's would say in `init_metadata`."""
    contract = call.model().contract
    kind = "tensor" if contract.dense else "ndarray"
    return Reply(
        encode_json(
            {
                "name": contract.model_name,
                "versions": [contract.model_version],
                "platform": "model-gateway",
                "inputs": [_table(kind, contract.feature_names)],
                "outputs": _outputs(contract),
                "custom": {"description": contract.description},
            }
        ),
        JSON,
    )


def _outputs(contract: Contract) -> list[dict[str, Any]]:
    names = output_names(contract, "")
    described = [output for output in contract.outputs if output.name in names]
    return [
        _table("tensor", output.names or list(map(str, output.classes or ())))
        for output in described
    ]


def _table(kind: str, names: Sequence[str]) -> dict[str, Any]:
    return {"messagetype": kind, "schema": {"names": list(names), "shape": [len(names)]}}


_UNDER = (
    "/seldon/<model_name:model_name>",
    "/seldon/<string(maxlength=63):namespace>/<model_name:model_name>",
)
_VERSIONS = ("/api/v1.0", "/api/v0.1")


def _paths(*ends: str) -> tuple[str, ...]:
    """Under a deployment's own path and, for the default model, without one."""
    return tuple(prefix + end for end in ends for prefix in ("", *_UNDER))


def _both(end: str) -> tuple[str, ...]:
    """Of both versions of the API, which are the same."""
    return _paths(*[api + end for api in _VERSIONS])


def _of_node(end: str) -> tuple[str, ...]:
    """Where the executor asks after one node of its graph, which has one here: the model."""
    return (*_both(end), f"/api/v1.0{end}/<model_name:model_name>")


DIALECT = Dialect(
    name="seldon",
    paths=re.compile(
        r"/(seldon|api/v[0-9]+\.[0-9]+)(/|$)|/(live|ready|metadata|health/(ping|status))$"
    ),
    endpoints=(
        Endpoint(
            "predict",
            _both("/predictions"),
            "POST",
            "predict",
            predict,
            takes_rows=True,
            operation=operations.predict,
        ),
        Endpoint(
            "feedback",
            _both("/feedback"),
            "POST",
            "predict",
            feedback,
            operation=operations.feedback,
        ),
        Endpoint("live", ("/live", "/health/ping"), "GET", PUBLIC, live, operation=operations.LIVE),
        Endpoint("ready", ("/ready",), "GET", PUBLIC, ready, operation=operations.READY),
        Endpoint(
            "status",
            (*_of_node("/status"), *_paths("/health/status"), *_both("/health/status")),
            "GET",
            "read",
            status,
            operation=operations.status,
        ),
        Endpoint(
            "deployment_ready",
            tuple(under + end for under in _UNDER for end in ("/ready", "/live", "/health/ping")),
            "GET",
            "read",
            deployment_ready,
            operation=operations.deployment_ready,
        ),
        Endpoint(
            "metadata",
            (*_of_node("/metadata"), *_paths("/metadata")),
            "GET",
            "read",
            metadata,
            operation=operations.metadata,
        ),
    ),
    problem=problem,
    error=operations.ERROR,
    # What SeldonClient sends its token in.
    token_header="X-Auth-Token",  # noqa: S106  # A header's name.
)
