"""Run by the interpreter that has seldon-core, not by ours: calls of SeldonClient, as JSON.

Reads {"host", "ca", "token", "model", "rows", "names", "echo"} from its input, and writes by the
name of a call what the client made of the answer.
"""

import json
import sys

import numpy as np
import requests
from google.protobuf.json_format import MessageToDict
from seldon_core.proto import prediction_pb2
from seldon_core.seldon_client import (
    SeldonCallCredentials,
    SeldonChannelCredentials,
    SeldonClient,
)
from seldon_core.utils import (
    array_to_grpc_datadef,
    feedback_to_json,
    json_to_seldon_message,
    seldon_message_to_json,
)


def main() -> None:
    given = json.load(sys.stdin)
    client = SeldonClient(
        gateway_endpoint=given["host"],
        namespace="models",
        deployment_name=given["model"],
        transport="rest",
        gateway="ambassador",
        channel_credentials=SeldonChannelCredentials(certificate_chain_file=given["ca"]),
        call_credentials=SeldonCallCredentials(token=given["token"]),
        # Parsed into protobuf: an unknown member anywhere is no answer at all.
        client_return_type="proto",
        ssl=True,
    )
    rows, names = np.array(given["rows"]), given["names"]
    said = {
        "tensor": client.predict(data=rows, payload_type="tensor"),
        "ndarray": client.predict(data=rows, payload_type="ndarray"),
        "names": client.predict(
            data=np.fliplr(rows), names=names[::-1], payload_type="ndarray", meta={"mine": "yes"}
        ),
        "raw_data": client.predict(raw_data={"data": {"ndarray": given["rows"]}}),
        "no namespace": client.predict(data=rows, gateway_prefix=f"/seldon/{given['model']}"),
        "default": client.predict(data=rows, gateway_prefix=""),
        "strData": client.predict(str_data="x"),
        "text": client.predict(str_data="wine", gateway_prefix=f"/seldon/{given['echo']}"),
        "bytes": client.predict(
            bin_data=bytes(range(256)), gateway_prefix=f"/seldon/{given['echo']}"
        ),
        "json": client.predict(
            json_data={"a": [1, None]}, gateway_prefix=f"/seldon/{given['echo']}"
        ),
        "too wide": client.predict(data=np.zeros((1, 99))),
    }
    answers = {call: _answer(answered) for call, answered in said.items()}
    answers["feedback"] = _feedback(given, rows)
    json.dump(answers, sys.stdout)


def _answer(answered):
    parsed = answered.response
    return {
        "success": answered.success,
        "message": None if parsed is None else seldon_message_to_json(parsed),
        "said": answered.msg,
    }


def _feedback(given, rows):
    """The client's own feedback call knows plain http only: its messages, sent over TLS."""
    asked = prediction_pb2.SeldonMessage(data=array_to_grpc_datadef("tensor", rows))
    truth = prediction_pb2.SeldonMessage(data=array_to_grpc_datadef("ndarray", np.ones((1, 1))))
    feedback = prediction_pb2.Feedback(request=asked, reward=0.5, truth=truth)
    answered = requests.post(
        f"https://{given['host']}/seldon/models/{given['model']}/api/v1.0/feedback",
        json=feedback_to_json(feedback),
        headers={"X-Auth-Token": given["token"]},
        verify=given["ca"],
        timeout=30,
    )
    parsed = json_to_seldon_message(answered.json())
    return {"success": answered.status_code == 200, "message": MessageToDict(parsed), "said": ""}


if __name__ == "__main__":
    main()
