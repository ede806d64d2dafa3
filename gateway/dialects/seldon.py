"""Seldon Core v1, as its wrapper, its executor and its clients speak it over REST.

Sources: Seldon Core v1, reference pages "External Prediction API" and "Internal Microservice API",
proto/prediction.proto. A deployment is a model here; paths without one are the default model's.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
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
    """One output as a table, in the kind that was sent; or the message that the model answers."""
    model = call.model()
    names = output_names(model.contract, call.query("output"))
    document, countable = read_document(call)
    asked = _reader(call, model).read(document, whole=countable)
    prediction = call.predict(model, asked.batch)
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


def deployment_live(call: Call) -> Reply:
    """Whether one model serves; needs a token, for it tells which models there are."""
    call.model()
    return Reply(b"ready", TEXT)


def deployment_ready(call: Call) -> Reply:
    """Whether it is well, too, as far as it says: what Seldon calls full health checks."""
    call.health_status(call.model())
    return Reply(b"ready", TEXT)


def status(call: Call) -> Reply:
    """What the model says of how it is, or that it serves; one that does not, or is not well, is a
    problem, and says nothing of the cause.
    """
    model = call.model()
    meta = read_meta(None, call.header(PUID_HEADER), call.request_id)
    serves = {"strData": f"{model.name} serves version {model.version}"}
    said = call.health_status(model)
    return message(serves if said is None else said, meta.answered(model.name, model.version))


def metadata(call: Call) -> Reply:
    """What the model takes and gives, as a class of Seldon's would say in `init_metadata`."""
    contract = call.model().contract
    return Reply(
        encode_json(
            {
                "name": contract.model_name,
                "versions": [contract.model_version],
                "platform": "model-gateway",
                "inputs": _inputs(contract),
                "outputs": _outputs(contract),
                "custom": {"description": contract.description},
            }
        ),
        JSON,
    )


def _inputs(contract: Contract) -> list[dict[str, Any]]:
    if contract.messages:
        return [{"messagetype": kind} for kind in contract.messages]
    return [_table("tensor" if contract.dense else "ndarray", contract.feature_names)]


def _outputs(contract: Contract) -> list[dict[str, Any]]:
    if contract.messages:
        # What it answers is known when it does.
        return []
    names = output_names(contract, "")
    described = [output for output in contract.outputs if output.name in names]
    return [
        _table("tensor", output.names or list(map(str, output.classes or ())))
        for output in described
    ]


def _table(kind: str, names: Sequence[str]) -> dict[str, Any]:
    return {"messagetype": kind, "schema": {"names": list(names), "shape": [len(names)]}}


_DEPLOYMENT = "/seldon/<model_name:namespace>/<model_name:model_name>"
_UNDER = ("", _DEPLOYMENT, "/seldon/<model_name:model_name>")
_APIS = ("/api/v1.0", "/api/v0.1")


def _under_api(end: str, *further: str) -> tuple[str, ...]:
    """The paths of an operation, first those that partners read of.

    Args:
        end: of the path under a version of the API.
        further: other paths that are the same, under a deployment and alone.
    """
    ends = [*(api + end for api in _APIS), *further]
    return tuple(under + path for path in ends for under in _UNDER)


def _endpoint(made: Endpoint, *aliases: str) -> Endpoint:
    """The document has the default model's path and a deployment's own; the rest are the same."""
    shown, rest = made.rules[:2], made.rules[2:]
    return replace(made, rules=shown, aliases=(*rest, *aliases))


DIALECT = Dialect(
    name="seldon",
    paths=re.compile(
        r"/(seldon|api/v[0-9]+\.[0-9]+)(/|$)|/(live|ready|metadata|health/(ping|status))$"
    ),
    endpoints=(
        _endpoint(
            Endpoint(
                "predict",
                _under_api("/predictions"),
                "POST",
                "predict",
                predict,
                takes_rows=True,
                operation=operations.predict,
            )
        ),
        _endpoint(
            Endpoint(
                "feedback",
                _under_api("/feedback"),
                "POST",
                "predict",
                feedback,
                operation=operations.feedback,
            )
        ),
        Endpoint(
            "live",
            ("/live",),
            "GET",
            PUBLIC,
            live,
            operation=operations.LIVE,
            aliases=("/health/ping",),
        ),
        Endpoint("ready", ("/ready",), "GET", PUBLIC, ready, operation=operations.READY),
        _endpoint(
            Endpoint(
                "status",
                _under_api("/health/status", "/health/status", "/api/v1.0/status"),
                "GET",
                "read",
                status,
                operation=operations.status,
            ),
            # Where the executor asks after one node of its graph, which has one here: the model.
            "/api/v1.0/status/<model_name:model_name>",
        ),
        Endpoint(
            "deployment_ready",
            (f"{_DEPLOYMENT}/ready",),
            "GET",
            "read",
            deployment_ready,
            operation=operations.deployment_ready,
            aliases=("/seldon/<model_name:model_name>/ready",),
        ),
        Endpoint(
            "deployment_live",
            (f"{_DEPLOYMENT}/live",),
            "GET",
            "read",
            deployment_live,
            operation=operations.deployment_live,
            aliases=(
                f"{_DEPLOYMENT}/health/ping",
                "/seldon/<model_name:model_name>/live",
                "/seldon/<model_name:model_name>/health/ping",
            ),
        ),
        _endpoint(
            Endpoint(
                "metadata",
                _under_api("/metadata", "/metadata"),
                "GET",
                "read",
                metadata,
                operation=operations.metadata,
            ),
            "/api/v1.0/metadata/<model_name:model_name>",
        ),
    ),
    problem=problem,
    error=operations.ERROR,
    # What SeldonClient sends its token in.
    token_header="X-Auth-Token",  # noqa: S106  # A header's name.
)
