"""How clients prove who they are: parsing, and what a refusal gives away."""

import hmac
import time
from base64 import b64encode
from contextlib import suppress
from types import SimpleNamespace
from urllib.parse import quote_plus

import pytest
from control_fixtures import make_control_store
from flask import Flask
from flask_limiter import Limiter
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth import client_auth
from gateway.auth.client_auth import ClientAuthenticator, Credentials, read_credentials
from gateway.auth.keys import secret_digest
from gateway.auth.oauth_errors import InvalidClient, InvalidRequest
from gateway.auth.token_limits import TokenLimits
from gateway.control.partners import MAX_LIVE_SECRETS
from gateway.request_context import RequestClock, context

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


def _basic(raw: bytes) -> str:
    return "Basic " + b64encode(raw).decode()


@given(client_id=TEXT, secret=TEXT)
def test_basic_credentials_are_form_encoded(client_id, secret):
    """Every id and secret survives the encoding of RFC 6749 2.3.1, colons included."""
    header = _basic(f"{quote_plus(client_id)}:{quote_plus(secret)}".encode())

    assert read_credentials(header, {}) == Credentials(client_id, secret)


@given(header=st.text(st.characters(max_codepoint=255), min_size=1), token=st.binary())
def test_no_header_breaks_the_parser(header, token):
    """Whatever stands in the header is either credentials or a refusal in OAuth's shape."""
    for authorization in (header, "Basic " + header, _basic(token)):
        with suppress(InvalidClient, InvalidRequest):
            assert all(read_credentials(authorization, {}))


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
def test_the_scheme_has_no_case(scheme):
    """RFC 9110 11.1: scheme names are case-insensitive."""
    header = _basic(b"id:secret").replace("Basic", scheme)

    assert read_credentials(header, {}) == Credentials("id", "secret")


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic !!!!",
        "Basic aWQ6c2VjcmV",
        _basic(b"\xff\xfe:secret"),
        _basic(b"id:%ff"),
        _basic(b"id"),
        _basic(b"id:"),
        _basic(b":secret"),
        "Bearer abc",
        "Digest username=x",
    ],
)
def test_malformed_basic_credentials_are_no_client(header):
    """Bad base64, text that is not UTF-8, a missing half, another scheme: 401, never 500."""
    with pytest.raises(InvalidClient) as refusal:
        read_credentials(header, {})

    assert refusal.value.status_code == 401
    assert dict(refusal.value.get_headers())["WWW-Authenticate"].startswith("Basic realm=")


def test_credentials_may_stand_in_the_form():
    """client_secret_post gives the same as client_secret_basic."""
    form = {"client_id": "id", "client_secret": "secret"}

    assert read_credentials("", form) == read_credentials(_basic(b"id:secret"), {})


@pytest.mark.parametrize("form", [{}, {"client_id": "id"}, {"client_secret": "secret"}])
def test_half_of_the_credentials_is_none(form):
    """There are no public clients: an id alone proves nothing."""
    with pytest.raises(InvalidClient):
        read_credentials("", form)


@pytest.mark.parametrize(
    ("header", "form"),
    [
        (_basic(b"id:secret"), {"client_id": "id", "client_secret": "secret"}),
        (_basic(b"id:secret"), {"client_secret": "other"}),
        ("Bearer abc", {"client_id": "id", "client_secret": "secret"}),
        (_basic(b"id:secret") + "," + _basic(b"id:secret"), {}),
        (_basic(b"id:secret"), {"client_id": "another"}),
    ],
)
def test_two_ways_at_once_are_refused(header, form):
    """RFC 6749 2.3: one method per request; guessing which counts invites confusion."""
    with pytest.raises(InvalidRequest):
        read_credentials(header, form)


def test_the_client_id_may_be_repeated_in_the_form():
    """Libraries do so; it is no second method."""
    assert read_credentials(_basic(b"id:secret"), {"client_id": "id"}).client_id == "id"


@pytest.fixture
def control(tmp_path):
    many = {"failed_secrets_per_client_and_address": "1000000/minute"}
    return make_control_store(tmp_path, limits=many)


@pytest.fixture
def authenticate(control):
    """Authenticates credentials within a request of its own app."""
    app = Flask("test")
    limiter = Limiter(lambda: "", storage_uri="memory://", strategy="fixed-window")
    limiter.init_app(app)
    limits = TokenLimits(limiter, control.settings.limits, endpoint="token", required=True)
    authenticator = ClientAuthenticator(control.pepper, control.store.note_secret_used, time.time)
    with app.test_request_context("/"):
        RequestClock(deadline_s=10, max_wait_s=2).begin_request()
        snapshot = control.watcher.current
        yield lambda *pair: authenticator.authenticate(
            snapshot, Credentials(*pair), limits, "192.0.2.1"
        )


def test_each_refusal_has_its_reason_in_the_log_only(control, authenticate):
    """The caller cannot tell an unknown client from a wrong secret; the operator can."""
    known = control.partner
    with pytest.raises(InvalidClient) as wrong:
        authenticate(known.client_id, "wrong")
    with pytest.raises(InvalidClient) as unknown:
        authenticate("nobody", known.secret)

    assert wrong.value() == unknown.value()
    assert wrong.value.facts == {"reason": "wrong_secret"}
    assert unknown.value.facts == {"reason": "unknown_client"}


def test_an_unknown_client_id_is_not_noted(control, authenticate):
    """What a caller sends as its id may be a secret in the wrong field (SEC-82)."""
    with pytest.raises(InvalidClient):
        authenticate(control.partner.secret, "x")

    assert context().facts == {}


def test_the_use_of_a_secret_is_noted_once_a_minute_after_the_answer(control, authenticate):
    """Authenticating writes nothing; what runs after the answer does, at most once a minute."""
    before = control.store.secrets_of("acme")[0].last_used_at
    for _ in range(3):
        authenticate(control.partner.client_id, control.partner.secret)
    during = control.store.secrets_of("acme")[0].last_used_at
    [write] = context().on_close
    write(200)

    assert (before, during) == (None, None)
    assert control.store.secrets_of("acme")[0].last_used_at == pytest.approx(time.time(), abs=30)


def test_unknown_clients_cost_the_same_work_as_wrong_secrets(control, authenticate, monkeypatch):
    """The time of a refusal does not tell which clients exist: the same digests, the same
    comparisons over the same lengths, whoever asks (SEC-23)."""
    control.add_secret("acme")
    work: list[tuple[str, int, int]] = []

    def compare_digest(known, given):
        work.append(("compare", len(known), len(given)))
        return hmac.compare_digest(known, given)

    def digest(pepper, secret):
        work.append(("digest", len(pepper), len(secret)))
        return secret_digest(pepper, secret)

    monkeypatch.setattr(client_auth, "hmac", SimpleNamespace(compare_digest=compare_digest))
    monkeypatch.setattr(client_auth, "secret_digest", digest)
    for client_id in (control.partner.client_id, "nobody-0123456789abcdef"):
        with pytest.raises(InvalidClient):
            authenticate(client_id, "wrong")
    known, unknown = work[: len(work) // 2], work[len(work) // 2 :]

    assert known == unknown
    assert [name for name, *_ in known] == ["digest", *["compare"] * MAX_LIVE_SECRETS]
