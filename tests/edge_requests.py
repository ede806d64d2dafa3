"""What nginx's tests send, and what they ask of the answers and the log."""

import json
import re
import time
from datetime import UTC, datetime
from typing import Any

from edge_server import Answer, EdgeServer

from gateway.cli.stack.child_output import OutputOfChild

HOST = b"Host: localhost\r\n"
CLOSE = b"Connection: close\r\n\r\n"


def get(path: bytes, *headers: bytes) -> bytes:
    lines = [b"GET " + path + b" HTTP/1.1\r\n", HOST, *(header + b"\r\n" for header in headers)]
    return b"".join(lines) + CLOSE


def post(path: bytes, *headers: bytes) -> bytes:
    lines = [b"POST " + path + b" HTTP/1.1\r\n", HOST, *(header + b"\r\n" for header in headers)]
    return b"".join(lines) + b"\r\n"


def assert_problem(answer: Answer, status: int, code: str) -> None:
    problem = json.loads(answer.body)
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == f"urn:gateway:problem:{code}"
    assert problem["code"] == code
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert re.fullmatch("[0-9a-f]{32}", problem["request_id"])
    assert answer.headers["x-request-id"] == problem["request_id"]


def log_of(edge: EdgeServer) -> bytes:
    """nginx's output as it leaves the stack."""
    output = OutputOfChild("nginx", lambda: datetime.now(UTC))
    return output.feed(edge.log.read_bytes())


def log_lines(edge: EdgeServer) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log_of(edge).splitlines()]


def logged(edge: EdgeServer, request_id: str) -> dict[str, Any]:
    """The line of one request: nginx writes it after the answer."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in log_lines(edge):
            if line.get("request_id") == request_id:
                return line
    raise AssertionError(f"{request_id} is not in the log")
