"""Fixtures around `token_service`: modules that use them name this one in `pytest_plugins`."""

import pytest
from control_fixtures import make_control_store
from token_service import Service, make_limiter, make_service

from gateway.limits import connection_options


@pytest.fixture
def service(tmp_path) -> Service:
    return make_service(make_control_store(tmp_path))


@pytest.fixture
def without_counts(service, tmp_path) -> Service:
    """The same service where Redis does not answer."""
    limiter = make_limiter(f"redis+unix://{tmp_path}/no.sock", **connection_options(0.05))
    return make_service(service.control, limiter=limiter)
