"""The token service's app: its pipeline and its route table, in reading order.

The only app that holds private keys and the pepper, and that writes the control store: so models
are brought into service here, too. It serves none itself.
"""

import logging
import time
from collections.abc import Callable, Mapping

from flask import Flask, Response, request
from flask_limiter import Limiter
from limits import parse as parse_limit

from config.settings import Settings
from gateway.auth.access import Access, FailureLimit
from gateway.auth.access_tokens import AccessTokenIssuer
from gateway.auth.authorization_server import ISSUANCE, TokenService
from gateway.auth.client_auth import ClientAuthenticator
from gateway.auth.form import MAX_FORM_BYTES
from gateway.auth.keys import SigningKeys
from gateway.auth.oauth_errors import TemporarilyUnavailable
from gateway.auth.paths import ISSUANCE_PATH, JWKS_PATH, METADATA_PATH, REVOCATION_PATH
from gateway.auth.revocation import REVOCATION, Revocation
from gateway.auth.token_limits import TokenLimits
from gateway.auth.verifier import Verifier
from gateway.control.repository import Repository
from gateway.control.snapshot import Snapshot
from gateway.control.store import ControlStore
from gateway.control.watcher import SnapshotWatcher
from gateway.errors import (
    ControlStoreUnavailable,
    JsonApi,
    NotFound,
    problem_from,
    problem_response,
    problem_with_error,
)
from gateway.model_names import ModelNameConverter
from gateway.principal import ADMIN
from gateway.request_context import RequestClock, context, note
from gateway.resources.health import Live, Ready
from gateway.resources.oauth import (
    Jwks,
    Metadata,
    Revoke,
    Token,
)
from gateway.resources.repository import add_repository
from gateway.security_headers import add_security_headers
from gateway.web import GatewayFlask

# Cheap, public and the same for all. Whatever is not named here counts against its address.
UNLIMITED_ENDPOINTS = frozenset({"live", "ready", "jwks", "metadata"})
# What needs an access token, and which verb it must allow. The callers of all others prove who
# they are with their secret, or need not.
NEEDS = {"load": ADMIN, "unload": ADMIN}
_REPOSITORY = "repository"
_COUNTED = {"revoke": REVOCATION, "load": _REPOSITORY, "unload": _REPOSITORY}


def create_token_app(  # noqa: PLR0913, PLR0917  # What the app is made of, each part once.
    settings: Settings,
    watcher: SnapshotWatcher,
    store: ControlStore,
    flask_limiter: Limiter,
    pepper: bytes,
    repository: Repository,
) -> Flask:
    """The WSGI app that gives out and revokes access tokens, and loads and unloads models.

    Args:
        watcher: the current snapshot of the control store.
        store: where revocations are written, and when a secret was last used.
        flask_limiter: keeps the counts; only asked, so it needs no hooks in this app.
        pepper: the key under which client secrets are stored.
        repository: brings models into service and takes them out.
    """
    app = GatewayFlask("gateway.tokens")
    app.config["MAX_CONTENT_LENGTH"] = MAX_FORM_BYTES
    app.url_map.converters["model_name"] = ModelNameConverter
    # Authlib writes whole tokens at level debug.
    logging.getLogger("authlib").setLevel(logging.INFO)

    limits = _limits(settings, flask_limiter)
    signing_keys = SigningKeys(settings.keys_dir)
    issuer = AccessTokenIssuer(signing_keys, settings.auth, issuer=settings.issuer, clock=time.time)
    verifier = Verifier(app, watcher, settings.auth, issuer=settings.issuer)
    token_service = TokenService(
        snapshot=lambda: _fresh_snapshot(watcher, settings.auth.refuse_tokens_after_s),
        authenticator=ClientAuthenticator(pepper, store.note_secret_used, time.time),
        issuer=issuer,
        limits=limits,
        base_url=settings.server.base_url,
    )
    token_service.register_endpoint(Revocation(verifier, store, settings.auth.leeway_s))
    request_clock = RequestClock(
        deadline_s=settings.server.request_deadline_s, max_wait_s=settings.server.max_wait_s
    )

    access = Access(
        verifier,
        FailureLimit(
            flask_limiter, parse_limit(settings.limits.failed_authentications_per_address)
        ),
        NEEDS,
        default_model_name=_no_default_model,
        token_header=lambda _path: "",
    )

    # Every request takes these steps, in this order.
    app.before_request(request_clock.begin_request)
    app.before_request(lambda: limit_by_address(limits))
    app.before_request(lambda: access.authenticate() if request.endpoint in NEEDS else None)
    app.before_request(access.authorize)
    _add_routes(app, settings, watcher, token_service, lambda: _can_sign(issuer, watcher.current))
    add_repository(app, repository)
    app.register_error_handler(Exception, lambda exc: _answer_error(exc, token_service))
    # Flask runs these from the last to the first.
    app.after_request(request_clock.finish_request)
    add_security_headers(app)
    return app


def limit_by_address(limits: Mapping[str, TokenLimits]) -> None:
    """Raises: RateLimited, LimitsUnavailable."""
    if request.endpoint not in UNLIMITED_ENDPOINTS:
        endpoint = _COUNTED.get(request.endpoint or "", ISSUANCE)
        context().enter("limits")
        limits[endpoint].count_request(context().client_address)
        context().enter("")


def _limits(settings: Settings, flask_limiter: Limiter) -> dict[str, TokenLimits]:
    counts = settings.limits
    return {
        # Without its counts the service could be made to sign, and be guessed at, without end.
        ISSUANCE: TokenLimits(flask_limiter, counts, endpoint=ISSUANCE, required=True),
        # A leaked token must die even when the counts are away: refusing would protect only
        # whoever holds it.
        REVOCATION: TokenLimits(flask_limiter, counts, endpoint=REVOCATION, required=False),
        # Each holds the service up for as long as workers take to follow.
        _REPOSITORY: TokenLimits(flask_limiter, counts, endpoint=_REPOSITORY, required=True),
    }


def _no_default_model() -> str:
    raise NotFound("Name the model.")


def _fresh_snapshot(watcher: SnapshotWatcher, max_age_s: float) -> Snapshot:
    if watcher.age_s() > max_age_s:
        # A partner may have been disabled since. Verifiers refuse at the same age.
        raise ControlStoreUnavailable(
            "Who may have a token cannot be checked at the moment.",
            retry_after_s=5,
            facts={"reason": "snapshot_too_old"},
        )
    return watcher.current


def _can_sign(issuer: AccessTokenIssuer, snapshot: Snapshot) -> bool:
    try:
        issuer.signing_key(snapshot)
    except TemporarilyUnavailable:
        return False
    return True


def _add_routes(
    app: Flask,
    settings: Settings,
    watcher: SnapshotWatcher,
    token_service: TokenService,
    ready: Callable[[], bool],
) -> None:
    api = JsonApi(app)
    published = settings.issuer, settings.server.base_url
    api.add_resource(Live, "/livez", endpoint="live")
    api.add_resource(Ready, "/readyz", endpoint="ready", resource_class_args=(ready,))
    api.add_resource(Token, ISSUANCE_PATH, endpoint="token", resource_class_args=(token_service,))
    api.add_resource(
        Revoke, REVOCATION_PATH, endpoint="revoke", resource_class_args=(token_service,)
    )
    api.add_resource(
        Jwks, JWKS_PATH, endpoint="jwks", resource_class_args=(lambda: watcher.current,)
    )
    api.add_resource(Metadata, METADATA_PATH, endpoint="metadata", resource_class_args=published)


def _answer_error(exc: Exception, token_service: TokenService) -> Response:
    # OAuth's clients know OAuth's errors; on all other paths they are problems.
    if request.path.startswith("/oauth/"):
        return token_service.refuse(exc)
    problem = problem_from(exc)
    note(code=problem.code, **problem.facts)
    shape = problem_with_error if request.path.startswith("/v2/") else None
    return problem_response(problem, context().request_id, shape)
