"""Clients that others wrote for scoring servers: `python scoring_clients.py CLIENT BASE_URL`.

Runs in an environment of its own (.venv-clients), where those clients live. Reads the rows, their
names and an access token from stdin, and prints the client's version and what it was answered.
"""

# ruff: noqa: PLC0415  # Only the client that is asked for is imported: each takes seconds.

import asyncio
import json
import os
import ssl
import sys
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

MODEL = "breast-cancer"


def mlflow(base_url: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """ScoringServerClient, which knows neither TLS nor tokens: both are given to requests."""
    import pandas as pd
    import requests
    from mlflow.protos.databricks_pb2 import ErrorCode
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    bearer = {"Authorization": f"Bearer {given['token']}"}
    defaults = requests.sessions.default_headers
    requests.sessions.default_headers = lambda: {**defaults(), **bearer}
    client = ScoringServerClient("localhost", 0)
    client.url_prefix = base_url
    frame = pd.DataFrame(given["rows"], columns=given["names"])
    asked = {
        "invoke, frame": frame,
        "invoke, frame with columns in another order": frame[given["names"][::-1]],
        "invoke, frame with an index": frame.set_index(pd.Index([7])),
        "invoke, array": frame.to_numpy(),
        "invoke, list": given["rows"],
    }
    answers = {
        call: client.invoke(data).get_predictions(predictions_format="ndarray").ravel().tolist()
        for call, data in asked.items()
    }
    probabilities = client.invoke(frame, params={"pyfunc_predict_fn": "predict_proba"})
    client.ping()
    refused = requests.post(f"{base_url}/invocations", json={"inputs": [[1]]}, timeout=30)
    ErrorCode.Value(refused.json()["error_code"])
    return {
        **answers,
        "invoke, params": json.loads(probabilities.to_json())["predictions"],
        "ping": True,
        "server version": bool(client.get_version()),
        "error": refused.json()["error_code"],
        "codes": sorted(ErrorCode.keys()),
    }


def kserve(base_url: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """InferenceRESTClient, in both of its protocols."""
    return asyncio.run(_kserve(base_url, given))


async def _kserve(base_url: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    import httpx
    from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

    bearer = {"Authorization": f"Bearer {given['token']}"}
    trusted = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])
    first, second = (
        InferenceRESTClient(RESTConfig(protocol=protocol, verify=trusted))
        for protocol in ("v1", "v2")
    )
    rows = given["rows"]
    instances = await first.infer(base_url, {"instances": rows}, MODEL, headers=bearer)
    inputs = await first.infer(base_url, {"inputs": rows}, MODEL, headers=bearer)
    try:
        await first.infer(base_url, {"instances": [[1]]}, MODEL, headers=bearer)
    except httpx.HTTPStatusError as exc:
        error = str(exc)
    tensor = InferInput("features", [len(rows), len(rows[0])], "FP64", rows)
    answer = await second.infer(
        base_url, InferRequest(MODEL, [tensor]), MODEL, headers=dict(bearer)
    )
    return {
        "v1 infer, instances": instances["predictions"],
        "v1 infer, inputs": inputs["predictions"],
        "v1 model ready": await first.is_model_ready(base_url, MODEL, headers=bearer),
        "v1 error": error,
        "v2 infer": answer.outputs[0].data,
        "v2 live": await second.is_server_live(base_url),
        "v2 ready": await second.is_server_ready(base_url),
        "v2 model ready": await second.is_model_ready(base_url, MODEL, headers=bearer),
    }


def sagemaker_inference(base_url: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """The toolkit's own encoder and decoder around a call."""
    import numpy as np
    import requests
    from sagemaker_inference import content_types, decoder, encoder

    answers: dict[str, Any] = {}
    for sent in (content_types.JSON, content_types.CSV, content_types.NPY):
        for accepted in (content_types.JSON, content_types.CSV, content_types.NPY):
            response = requests.post(
                f"{base_url}/invocations",
                data=encoder.encode(np.array(given["rows"]), sent),
                headers={
                    "Authorization": f"Bearer {given['token']}",
                    "Content-Type": sent,
                    "Accept": accepted,
                },
                timeout=30,
            )
            response.raise_for_status()
            body = response.content if accepted == content_types.NPY else response.text
            decoded = decoder.decode(body, accepted)
            answers[f"{sent}, {accepted}"] = np.ravel(decoded).tolist()
    return answers


if __name__ == "__main__":
    _, client, url = sys.argv
    function = {
        "mlflow-skinny": mlflow,
        "kserve": kserve,
        "sagemaker-inference": sagemaker_inference,
    }[client]
    print(json.dumps({"version": version(client), **function(url, json.load(sys.stdin))}))  # noqa: T201
