"""How often the token service may be asked, and what it does without its counts."""

import time

import pytest
from control_fixtures import make_control_store
from structlog.testing import capture_logs
from token_service import GRANT, closing_event, make_service

pytest_plugins = ["token_fixtures"]


def test_requests_per_address_are_limited(tmp_path):
    """The third of two is refused with Retry-After; another address is not (SEC-25)."""
    service = make_service(make_control_store(tmp_path, limits={"tokens_per_address": "2/hour"}))
    statuses = [service.ask().status_code for _ in range(2)]
    with closing_event() as event:
        refused = service.ask()
    elsewhere = service.ask(environ_overrides={"REMOTE_ADDR": "192.0.2.7"})

    assert statuses == [200, 200]
    assert (refused.status_code, refused.json["error"]) == (429, "temporarily_unavailable")
    assert 0 < int(refused.headers["Retry-After"]) <= 3600
    assert event["limit"] == "tokens_per_address"
    assert elsewhere.status_code == 200


def test_forged_addresses_share_one_count(tmp_path):
    """Only the proxy's socket is believed, so X-Real-IP of anybody else changes nothing."""
    service = make_service(make_control_store(tmp_path, limits={"tokens_per_address": "2/hour"}))
    responses = [
        service.ask(headers={"X-Real-IP": f"192.0.2.{n}", "X-Forwarded-For": f"192.0.2.{n}"})
        for n in range(3)
    ]

    assert [response.status_code for response in responses] == [200, 200, 429]


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("2001:db8::1", "2001:db8::ffff:1", 429), ("2001:db8::1", "2001:db8:0:1::1", 200)],
)
def test_an_ipv6_network_counts_as_one_address(tmp_path, first, second, status):
    """A caller with a /64 of its own has no more than one with a single address."""
    service = make_service(make_control_store(tmp_path, limits={"tokens_per_address": "1/hour"}))
    service.ask(environ_overrides={"REMOTE_ADDR": first})

    assert service.ask(environ_overrides={"REMOTE_ADDR": second}).status_code == status


def test_callers_without_an_address_are_limited_together(tmp_path):
    """A missing key is no way around a limit (SEC-45)."""
    service = make_service(make_control_store(tmp_path, limits={"tokens_per_address": "1/hour"}))
    nowhere = {"environ_overrides": {"REMOTE_ADDR": ""}}

    assert [service.ask(**nowhere).status_code for _ in range(2)] == [200, 429]


def test_storms_on_unknown_paths_are_limited(tmp_path):
    """404 and 405 count against their address as well (SEC-46)."""
    service = make_service(make_control_store(tmp_path, limits={"tokens_per_address": "2/hour"}))
    responses = [service.client.get(path) for path in ("/a", "/oauth/token", "/b")]

    assert [response.status_code for response in responses] == [404, 405, 429]
    assert responses[2].json["code"] == "rate_limited"


def test_public_documents_are_not_limited(tmp_path):
    """Keys, metadata and probes answer however often they are asked."""
    service = make_service(make_control_store(tmp_path, limits={"tokens_per_address": "1/hour"}))
    paths = ("/livez", "/readyz", "/.well-known/jwks.json")

    assert all(service.client.get(path).status_code == 200 for path in paths * 3)


def test_issuance_in_all_is_limited_and_costs_only_who_could_issue(tmp_path):
    """Failed requests use up nothing of what all partners share."""
    service = make_service(make_control_store(tmp_path, limits={"tokens_in_all": "2/hour"}))
    for _ in range(5):
        service.ask(auth=("acme", "wrong"))
        service.ask(GRANT | {"scope": "admin"})
    statuses = [service.ask().status_code for _ in range(3)]

    assert statuses == [200, 200, 429]


def test_wrong_secrets_lock_nobody_else(service):
    """100 wrong secrets for one client from one address stop that, and only that (SEC-25)."""
    control = service.control
    other = control.add_partner("other")
    attacked = [
        service.ask(auth=(control.partner.client_id, "wrong")).status_code for _ in range(100)
    ]
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}

    assert attacked == [401] * 10 + [429] * 90
    assert service.ask().status_code == 429
    assert service.ask(**elsewhere).status_code == 200
    assert service.ask(auth=(other.client_id, other.secret)).status_code == 200


def test_unknown_clients_are_limited_like_known_ones(service):
    """The limit does not tell which clients exist."""
    statuses = [service.ask(auth=("nobody", "wrong")).status_code for _ in range(12)]

    assert statuses == [401] * 10 + [429] * 2


def test_without_counts_nothing_is_issued(without_counts):
    """Redis away: 503 in OAuth's shape, with Retry-After, within its time-out."""
    started_at = time.perf_counter()
    with capture_logs() as events:
        response = without_counts.ask()

    assert (response.status_code, response.json["error"]) == (503, "temporarily_unavailable")
    assert int(response.headers["Retry-After"]) > 0
    assert events[0]["event"] == "token_limits_away"
    # A retry of redis-py's own would take 4.7 s.
    assert time.perf_counter() - started_at < 3
