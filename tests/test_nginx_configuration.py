"""nginx as configured: its files, its TLS, and its limits per address."""

import json
import re
import ssl
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from edge_requests import assert_problem, get, logged, post
from edge_server import EdgeServer, installed

from gateway.cli.stack.nginx_files import STATIC_FILES
from gateway.errors import catalogue

pytest_plugins = ["edge_fixtures"]

# The files.


def test_nginx_accepts_the_configuration(edge: EdgeServer) -> None:
    """`nginx -t` finds nothing to say against the files."""
    command = [installed("nginx"), "-t", "-q", "-p", str(edge.layout.nginx_prefix)]
    command += ["-c", str(edge.layout.nginx_configuration / "nginx.conf")]
    command += ["-e", "stderr"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_gixy_finds_nothing(edge: EdgeServer) -> None:
    """The configuration analyser has no finding of any severity.

    Its check of versions is left out: it knows the releases of nginx.org, and Debian's 1.22.1
    has their fixes ported back (the package's changelog names each).
    """
    gixy = Path(sys.executable).with_name("gixy")
    command = [str(gixy), "--format", "json", "--nginx-version", "1.22.1", "--skips", "nginx_cves"]
    configuration = str(edge.layout.nginx_configuration / "nginx.conf")
    done = subprocess.run([*command, configuration], capture_output=True, text=True, check=False)

    assert json.loads(done.stdout) == []
    assert done.returncode == 0


def test_codes_and_titles_are_those_of_the_applications() -> None:
    """One code has one title, whoever answers (RFC 9457 section 3.1.3)."""
    text = (STATIC_FILES / "problem_texts.conf").read_text()
    block = text.split("$problem_title {")[1].split("}")[0]
    titles = dict(re.findall(r'(\w+) "([^"]+)";', block))
    titles["bad_request"] = titles.pop("default")
    pages = (STATIC_FILES / "problem_errors.conf").read_text()
    codes = set(re.findall(r"error_page .*/_problem/\$problem_shape/(\w+);", pages))

    assert codes == set(titles)
    assert codes <= set(catalogue())
    assert {code: titles[code] for code in codes} == {
        code: catalogue()[code].title for code in codes
    }


# TLS: SEC-69, SEC-71.


@pytest.mark.parametrize("name", ["other.example", "127.0.0.1", "LOCALHOST.example"])
def test_handshake_for_another_name_is_refused(edge: EdgeServer, name: str) -> None:
    """No certificate is shown to whoever asks for a host that is not served, or for none."""
    with pytest.raises(ssl.SSLError, match="UNRECOGNIZED_NAME"):
        edge.connect(name=name)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(edge: EdgeServer, version: ssl.TLSVersion) -> None:
    """TLS 1.0 and 1.1 end with an alert, from a client that would have taken them."""
    context = edge.trust()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = version
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = version

    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        edge.connect(context)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_current_tls_is_spoken(edge: EdgeServer, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3, with HTTP/2 for whoever offers it."""
    context = edge.trust()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])

    with edge.connect(context) as connection:
        assert connection.version() == version.name.replace("_", ".")
        assert connection.selected_alpn_protocol() == "h2"


@pytest.mark.parametrize("cipher", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA"])
def test_weak_ciphers_are_refused(edge: EdgeServer, cipher: str) -> None:
    """Neither a key exchange without forward secrecy nor CBC."""
    context = edge.trust()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)

    with pytest.raises(ssl.SSLError, match="HANDSHAKE_FAILURE"):
        edge.connect(context)


# Limits per address: SEC-44, SEC-54.


def test_requests_per_address_are_limited(limited: EdgeServer) -> None:
    """A burst of 100 passes, then 50 a second, whatever address a caller pretends to have."""
    # All at once on one connection: a client that waits for each answer may be too slow to refuse.
    heads = [
        f"GET / HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: 10.0.0.{number}\r\n"
        for number in range(250)
    ]
    heads[-1] += "Connection: close\r\n"
    begin = time.monotonic()
    with limited.connect(limited.trust()) as connection:
        connection.sendall("".join(f"{head}\r\n" for head in heads).encode())
        answers = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    elapsed_s = time.monotonic() - begin
    statuses = re.findall(rb"HTTP/1\.1 (\d+) ", answers)
    refused = statuses.count(b"429")

    assert len(statuses) == 250
    assert refused
    assert 101 <= len(statuses) - refused <= 101 + 50 * elapsed_s + 1
    assert answers.count(b'"code":"address_limited"') == refused
    assert answers.count(b"Retry-After: 1\r\n") == refused


def test_connections_per_address_are_limited(limited: EdgeServer) -> None:
    """50 requests may be open at once; the next one is refused, and not one before."""
    unfinished = post(b"/predict", b"Content-Length: 10")
    with ExitStack() as stack:
        for _ in range(50):
            connection = stack.enter_context(limited.connect())
            connection.sendall(unfinished)
        # nginx has two processes: one may not have read the fiftieth when the other is asked.
        until = time.monotonic() + 5
        fifty_first = limited.send(get(b"/"))
        while fifty_first.status != 429 and time.monotonic() < until:
            fifty_first = limited.send(get(b"/"))

    assert_problem(fifty_first, 429, "address_limited")
    assert logged(limited, fifty_first.headers["x-request-id"])["limit"] == (
        "connections_per_address"
    )


def test_callers_of_this_machine_are_exempt(client: httpx.Client) -> None:
    """In the stack, tests and benchmarks meet no limit per address."""
    statuses = {client.get("/livez").status_code for _ in range(200)}

    assert statuses == {200}
