"""A real Gunicorn with our worker, and what reaches it that never becomes a request."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).parent
CANARY = b"canary71canary71"
POST = (
    b"POST /v1/models/wine/predict HTTP/1.1\r\n"
    b"Host: localhost\r\nContent-Type: application/json\r\n"
)
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"


@dataclass(frozen=True)
class Server:
    folder: Path
    process: "subprocess.Popen[bytes]"

    @property
    def bearer(self) -> bytes:
        return b"Authorization: Bearer " + (self.folder / "token").read_bytes() + b"\r\n"

    def log(self) -> list[dict[str, Any]]:
        """Every line so far; each must be one JSON object."""
        return [json.loads(line) for line in (self.folder / "log").read_bytes().splitlines()]

    def send(self, sent: bytes, *, close: bool = False) -> tuple[int, dict[str, str], bytes]:
        """Status, header fields and body of the one answer to these bytes."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(self.folder / "socket"))
            connection.sendall(sent)
            if close:
                connection.shutdown(socket.SHUT_WR)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        status_line, *fields = head.decode("ascii").split("\r\n")
        headers = dict(field.split(": ", 1) for field in fields)

        assert status_line.startswith("HTTP/1.1 ")
        assert headers["Content-Length"] == str(len(body))
        return int(status_line.split()[1]), headers, body


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("worker")
    environ = {
        **os.environ,
        "PYTHONPATH": str(TESTS),
        "WORKER_APP_FOLDER": str(folder),
        "GATEWAY_DATA_DIR": str(folder),
        "GATEWAY_SERVER__BIND": f"unix:{folder}/socket",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "python:config.gunicorn", "worker_app:app"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(command, env=environ, stdout=log, stderr=log) as process,
    ):
        server = Server(folder, process)
        try:
            _wait_until_ready(server)
            yield server
        finally:
            process.terminate()
            process.wait(60)


def _wait_until_ready(server: Server) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and server.process.poll() is None:
        try:
            if server.send(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200:
                return
        except OSError:
            server.process.poll()
    pytest.fail(f"Gunicorn did not start: {(server.folder / 'log').read_text()}")


def test_a_caller_that_keeps_its_socket_open_holds_no_worker(server: Server) -> None:
    """The only worker takes the next call although the one before has not hung up."""
    waited_s = []
    for _ in range(3):
        with socket.socket(socket.AF_UNIX) as lingering:
            lingering.settimeout(30)
            lingering.connect(str(server.folder / "socket"))
            lingering.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            first = lingering.recv(65536)
            started = time.monotonic()
            status, _, _ = server.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            waited_s.append(time.monotonic() - started)

        assert first.startswith(b"HTTP/1.1 200")
        assert status == 200
    # Gunicorn would wait 2 s for the first caller each time; a busy machine delays one of them.
    assert min(waited_s) < 1.5


def test_an_answer_survives_what_was_sent_after_its_request(server: Server) -> None:
    """Bytes that nobody reads do not cost the caller the end of the answer."""
    sent = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n" + b"x" * 20_000

    assert server.send(sent)[0] == 200


GARBAGE = {
    "bad request line": (b"GET " + CANARY + b"\r\n\r\n", 400),
    "no HTTP": (CANARY + b"\x00\xff\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + CANARY + b"\r\n\r\n", 400),
    "HTTP/9.9": (b"GET /" + CANARY + b" HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
    "long target": (b"GET /" + CANARY + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", 414),
    "long field": (b"GET / HTTP/1.1\r\nX: " + CANARY + b"x" * 17_000 + b"\r\n\r\n", 431),
    "many fields": (b"GET / HTTP/1.1\r\n" + (b"X: " + CANARY + b"\r\n") * 200 + b"\r\n", 431),
    "bad field name": (b"GET / HTTP/1.1\r\n" + CANARY + b" : x\r\n\r\n", 400),
    "no colon": (b"GET / HTTP/1.1\r\n" + CANARY + b"\r\n\r\n", 400),
    "folded field": (b"GET / HTTP/1.1\r\nX: 1\r\n " + CANARY + b"\r\n\r\n", 400),
    "two lengths": (POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n" + CANARY, 400),
    "length and chunks": (CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n", 400),
    "length is no number": (POST + b"Content-Length: " + CANARY + b"\r\n\r\n", 400),
    "negative length": (POST + b"Content-Length: -5\r\n\r\n" + CANARY, 400),
    "unknown coding": (POST + b"Transfer-Encoding: " + CANARY + b"\r\n\r\n", 501),
    "unknown expectation": (POST + b"Expect: " + CANARY + b"\r\nContent-Length: 2\r\n\r\n[]", 417),
}  # fmt: skip


@pytest.mark.parametrize(("sent", "status"), GARBAGE.values(), ids=GARBAGE)
def test_what_is_no_request_is_answered_with_a_problem(
    server: Server, sent: bytes, status: int
) -> None:
    """SEC-33: Gunicorn's own errors are problems too; nothing sent is repeated, or logged."""
    before = len(server.log())
    answered, headers, body = server.send(sent)
    logged = server.log()[before:]
    problem = json.loads(body)

    assert answered == problem["status"] == status
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Connection"] == "close"
    assert "Content-Security-Policy" in headers
    assert "gunicorn" not in str(headers).lower()
    assert set(problem) == {"type", "title", "status", "detail", "code", "request_id"}
    assert problem["request_id"] == headers["X-Request-ID"]
    assert CANARY not in body
    assert CANARY.decode() not in str(headers)
    assert [event["event"] for event in logged] == ["request_refused_by_server"]
    assert logged[0]["request_id"] == problem["request_id"]
    assert CANARY.decode() not in str(logged)


BROKEN = {
    "bad chunk size": CHUNKED + b"%s\r\n" + CANARY + b"\r\n\r\n",
    "chunk without end": CHUNKED + b"%s\r\n2\r\n[]" + CANARY + b"\r\n0\r\n\r\n",
    "chunks break off": CHUNKED + b"%s\r\nff\r\n" + CANARY,
    "body breaks off": POST + b"%sContent-Length: 1000\r\n\r\n" + CANARY,
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN)
def test_a_body_that_breaks_off_is_the_callers_fault(server: Server, sent: bytes) -> None:
    """400 with a token and 401 without; one event each, at no higher level than info."""
    before = len(server.log())
    with_token = server.send(sent.replace(b"%s", server.bearer), close=True)
    without = server.send(sent.replace(b"%s", b""), close=True)
    logged = server.log()[before:]

    assert (with_token[0], without[0]) == (400, 401)
    assert json.loads(with_token[2])["code"] == "bad_request"
    assert [(event["event"], event["level"]) for event in logged] == [
        ("request_finished", "info")
    ] * 2
    assert CANARY.decode() not in str(logged)


def test_chunks_are_read(server: Server) -> None:
    """A body of unknown length is as good as any."""
    row = json.dumps([[13.0] * 13]).encode()
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(row), row)
    status, headers, answer = server.send(CHUNKED + server.bearer + b"\r\n" + body)

    assert status == 200
    assert json.loads(answer)["model"] == "wine"
    assert headers["Server"] == "gateway"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_refusal_reaches_who_is_still_sending(server: Server, chunked: bool) -> None:
    """The answer to an unread body of 3 MB is not lost in a reset of the connection."""
    body = CANARY * 200_000
    sent = POST + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    if chunked:
        sent = CHUNKED + b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    status, _, answer = server.send(sent)

    assert status == 401
    assert json.loads(answer)["code"] == "unauthenticated"


def test_what_is_logged_of_an_answer_has_its_id(server: Server) -> None:
    """Of one that broke off, too; what the server logs afterwards belongs to no request."""
    _, headers, _ = server.send(b"GET /livez?break_off HTTP/1.1\r\nHost: localhost\r\n\r\n")
    refused = server.send(b"\0\r\n\r\n")[1]["X-Request-ID"]
    events = {event["event"]: event for event in server.log()}

    assert events["answer_broken_off"]["request_id"] == headers["X-Request-ID"]
    assert events["request_refused_by_server"]["request_id"] == refused


def test_a_peer_that_names_itself_is_no_proxy(server: Server) -> None:
    """Nginx does not: whoever does is not believed whose request it is, and is logged as well."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.bind(b"\0" + os.urandom(8).hex().encode())
        connection.connect(str(server.folder / "socket"))
        asked = b"GET /v1/limits HTTP/1.1\r\nHost: localhost\r\nX-Real-IP: 10.0.0.7\r\n\r\n"
        connection.sendall(asked)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    event = [one for one in server.log() if one["event"] == "request_finished"][-1]

    assert answer.startswith(b"HTTP/1.1 401 ")
    assert event["route"] == "/v1/limits"
    assert event["client_address"].startswith("\0")


def test_the_worker_starts_and_stops_the_service(server: Server) -> None:
    """Its background work begins after the fork, and ends with it; the stream stays JSON."""
    assert (server.folder / "started").exists()
    server.process.terminate()
    server.process.wait(60)

    assert (server.folder / "stopped").exists()
    assert {"event", "level", "timestamp"} <= set(server.log()[-1])
    [exiting] = [event for event in server.log() if event["event"].startswith("Worker exiting")]
    assert "request_id" not in exiting
    assert server.process.returncode == 0
