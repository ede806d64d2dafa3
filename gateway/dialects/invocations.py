"""The paths that MLflow's scoring server and SageMaker's containers share.

MLflow's members, or names of features in the first line of a CSV, make a request MLflow's; so does
Parquet, which has names always. Anything else is SageMaker's. They differ in their answers only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version

from gateway.dialects import invocations_operations as operations
from gateway.dialects import mlflow, sagemaker
from gateway.dialects.endpoint import Call, Dialect, Endpoint, Reply
from gateway.dialects.output_choice import default_output
from gateway.errors import EmptyBody, NotReady
from gateway.principal import ANY_TOKEN, PUBLIC
from gateway.wire.formats import FORMATS
from gateway.wire.formats.csv_rows import first_line, is_header
from gateway.wire.media_type import JSON
from model import Batch, Contract

_VERSION = version("model-gateway").encode()
_OF_MLFLOW = frozenset({"parquet"})


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """The rows, the output that is wanted, and whose client it is that asks."""

    batch: Batch
    output: str
    by_mlflow: bool


def invocations(call: Call) -> Reply:
    """One output of the default model: by default its first, of a classifier the labels."""
    headers = sagemaker.attributes(call)
    # What cannot be answered is refused before the call is charged.
    answered_in, accepted = FORMATS.for_answer(call.header("Accept"))
    model = call.model()
    chosen = sagemaker.chosen(accepted, model.contract)
    asked = _read(call, model.contract)
    output = chosen or asked.output
    values = call.predict(model, asked.batch).outputs[output]
    if asked.by_mlflow and answered_in is FORMATS["json"]:
        return Reply(mlflow.answer(values), JSON, headers=headers)
    return replace(sagemaker.answer(output, values, answered_in, accepted), headers=headers)


def _read(call: Call, contract: Contract) -> _Asked:
    # A body of no type is JSON: the platform passes on what its caller said, and many say nothing.
    known, parameters = FORMATS.for_body(call.content_type or JSON)
    body = call.body()
    if not body:
        raise EmptyBody
    if known is FORMATS["json"]:
        return _read_json(call, body, contract)
    by_mlflow = known.name in _OF_MLFLOW
    if known is FORMATS["csv"]:
        by_mlflow, parameters = _header(body, contract, parameters)
    batch = call.read(known, body, contract, parameters)
    return _Asked(batch, default_output(contract).name, by_mlflow)


def _read_json(call: Call, body: bytes, contract: Contract) -> _Asked:
    document = call.parse_json(body)
    if mlflow.speaks(document.member_names()):
        batch, output = mlflow.read(document, contract)
        return _Asked(batch, output, by_mlflow=True)
    batch = sagemaker.read(document, contract)
    return _Asked(batch, default_output(contract).name, by_mlflow=False)


def _header(
    body: bytes, contract: Contract, parameters: Mapping[str, str]
) -> tuple[bool, Mapping[str, str]]:
    """Whether a CSV begins with names, by what its type says or else by its first line."""
    said = parameters.get("header")
    present = is_header(first_line(body), contract) if said is None else said.lower() == "present"
    return present, {"header": "present" if present else "absent", **parameters}


def ping(call: Call) -> Reply:
    """Whether this worker can serve. Public, so it says nothing else."""
    if not call.ready:
        raise NotReady(retry_after_s=5)
    return Reply(b"", JSON)


def server_version(_call: Call) -> Reply:
    """The version of the gateway, where MLflow's server answers its own."""
    return Reply(_VERSION, "text/plain; charset=utf-8")


PING = Endpoint("ping", ("/ping",), "GET", PUBLIC, ping, operation=operations.PING)
INVOCATIONS = Endpoint(
    "invocations",
    ("/invocations",),
    "POST",
    "predict",
    invocations,
    takes_rows=True,
    operation=operations.invocations,
)

DIALECT = Dialect(
    name="invocations",
    paths=re.compile("/(invocations|ping|health|version)$"),
    endpoints=(
        INVOCATIONS,
        PING,
        Endpoint("health", ("/health",), "GET", PUBLIC, ping, operation=operations.PING),
        Endpoint(
            "version", ("/version",), "GET", ANY_TOKEN, server_version, operation=operations.VERSION
        ),
    ),
    problem=mlflow.problem,
    error=operations.ERROR,
)
