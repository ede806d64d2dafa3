"""A real, small server of the Open Inference Protocol v2, which can be told to misbehave.

Its model `sums` takes one table of numbers and answers the sum of each row.
"""

import json
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import numpy as np

TABLE = {
    "name": "sums",
    "platform": "test",
    "inputs": [{"name": "rows", "datatype": "FP64", "shape": [-1, 3]}],
    "outputs": [{"name": "predict", "datatype": "FP64", "shape": [-1]}],
}
LENGTH = "Inference-Header-Content-Length"


@dataclass(frozen=True)
class Reply:
    """What is answered. `claimed_length` lies about the body's."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    claimed_length: int | None = None


@dataclass(frozen=True)
class Request:
    """What was asked."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> dict[str, Any]:
        """The JSON part."""
        length = self.headers.get(LENGTH)
        document: dict[str, Any] = json.loads(self.body[: int(length)] if length else self.body)
        return document

    @property
    def table(self) -> np.ndarray[Any, Any]:
        """The first input."""
        entry = self.document["inputs"][0]
        length = self.headers.get(LENGTH)
        if length is None:
            return np.array(entry["data"], dtype=np.float64).reshape(entry["shape"])
        return np.frombuffer(self.body[int(length) :], dtype="<f8").reshape(entry["shape"])


def json_reply(document: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(document).encode(), headers)


def sums(request: Request) -> Reply:
    """The honest answer, in bytes where that was asked for."""
    values = request.table.sum(axis=1)
    output: dict[str, Any] = {"name": "predict", "datatype": "FP64", "shape": [len(values)]}
    if LENGTH not in request.headers:
        return answer({**output, "data": values.tolist()})
    return answer({**output, "parameters": {"binary_data_size": values.nbytes}}, values.tobytes())


def answer(output: dict[str, Any], data: bytes | None = None, name: str = "sums") -> Reply:
    """An inference answer with this output."""
    document = json.dumps({"model_name": name, "outputs": [output]}).encode()
    if data is None:
        return Reply(body=document)
    return Reply(body=document + data, headers={LENGTH: str(len(document))})


class EngineServer:
    """Serves on a free port, or again on the one it had, from `with` to its end.

    Attributes:
        infer: what an inference is answered with; an exception in it breaks the connection.
        model: the description of the model, or what is answered instead of it.
        extensions: those that the server names.
        requests: all inferences asked, in order.
        described: how often the model was described.
        connections: how many were accepted.
    """

    def __init__(
        self,
        infer: Callable[[Request], Reply] = sums,
        port: int = 0,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.infer = infer
        self.model: dict[str, Any] | Reply = TABLE
        self.extensions: list[str] = []
        self.requests: list[Request] = []
        self.described = 0
        self.connections = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._open: list[Any] = []
        self.port = self._server.server_address[1]
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        for connection in self._open:
            connection.close()
        self._thread.join()

    def reply(self, request: Request) -> Reply:
        """What a path is answered with."""
        if request.path == "/v2":
            return json_reply({"name": "test", "version": "1", "extensions": self.extensions})
        if request.path.endswith("/infer"):
            self.requests.append(request)
            return self.infer(request)
        self.described += 1
        return self.model if isinstance(self.model, Reply) else json_reply(self.model)

    def accepted(self, connection: Any) -> None:
        self.connections += 1
        self._open.append(connection)


def _handler(engine: EngineServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            engine.accepted(self.connection)

        def do_GET(self) -> None:
            self._answer(b"")

        def do_POST(self) -> None:
            self._answer(self.rfile.read(int(self.headers["Content-Length"])))

        def _answer(self, body: bytes) -> None:
            reply = engine.reply(Request(self.path, dict(self.headers), body))
            self.close_connection = reply.claimed_length is not None
            with suppress(OSError):
                _write(self, reply)

        def log_message(self, *_arguments: Any) -> None:
            """Says nothing."""

    return Handler


def _write(handler: BaseHTTPRequestHandler, reply: Reply) -> None:
    length = len(reply.body) if reply.claimed_length is None else reply.claimed_length
    handler.send_response(reply.status)
    for name, value in {"Content-Length": str(length), **reply.headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(reply.body)
