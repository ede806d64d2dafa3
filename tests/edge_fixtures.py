"""Fixtures around `edge_server`: modules that use them name this one in `pytest_plugins`."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest
from edge_server import EdgeServer, running_edge


@pytest.fixture(scope="session")
def edge() -> Iterator[EdgeServer]:
    """An nginx before two applications that answer."""
    with running_edge(upstreams=True) as server:
        yield server


@pytest.fixture(scope="session")
def forsaken() -> Iterator[EdgeServer]:
    """An nginx whose predictions never answer, and whose token service is away."""
    shorter = ("place/caps.conf", "proxy_read_timeout 12s", "proxy_read_timeout 1s")
    with running_edge(upstreams=False, changes=[shorter]) as server, ExitStack() as stack:
        silent = stack.enter_context(socket.socket(socket.AF_UNIX))
        silent.bind(str(server.layout.predictions_socket))
        silent.listen(100)
        yield server


@pytest.fixture
def limited() -> Iterator[EdgeServer]:
    """An nginx that limits callers on this machine like all others. Nobody is behind it."""
    with running_edge(upstreams=False, limits_loopback=True) as server:
        yield server


@pytest.fixture
def client(edge: EdgeServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=edge.url, verify=edge.trust(), timeout=30) as client:
        yield client
