"""What partners read of the token service, an app of its own that is described without loading it.

A test compares these routes with those that it has.
"""

from typing import Any

from gateway.auth.paths import (
    ISSUANCE_PATH,
    JWKS_PATH,
    LOAD_RULE,
    METADATA_PATH,
    REVOCATION_PATH,
    UNLOAD_RULE,
)
from gateway.dialects import open_inference_operations, schemas
from gateway.dialects.operation import Answer, Body, Operation, Schema, Shared, Tag
from gateway.openapi.routes import BY_CLIENT, Route
from gateway.principal import ADMIN, PUBLIC
from gateway.wire.media_type import JSON

TAG = Tag("Access tokens", "OAuth 2.0 client credentials (RFC 6749), for the calls of the others.")
FORM = "application/x-www-form-urlencoded"

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_URL: Schema = {"type": "string", "format": "uri"}
_RETRY_AFTER = {"Retry-After": "Seconds to wait before the same call is sent again."}
_CREDENTIALS: dict[str, Any] = {
    "client_id": {"type": "string", "description": "Unless it is in the Authorization header."},
    "client_secret": {"type": "string", "format": "password"},
}

_ERROR = Body(
    JSON,
    Shared(
        "OAuthError",
        {
            "type": "object",
            "properties": {
                "error": {
                    "enum": [
                        "invalid_request",
                        "invalid_client",
                        "invalid_scope",
                        "unsupported_grant_type",
                        "temporarily_unavailable",
                        "server_error",
                    ]
                },
                "error_description": _TEXT,
                "request_id": _TEXT,
            },
            "required": ["error", "error_description"],
        },
    ),
)


def _with_refusals(success: Answer) -> dict[int, Answer]:
    errors = (_ERROR,)
    challenge = {"WWW-Authenticate": "Which way to authenticate."}
    return {
        200: success,
        400: Answer("`invalid_request`, `invalid_scope` or `unsupported_grant_type`.", errors),
        401: Answer("`invalid_client`: unknown, disabled, or a wrong secret.", errors, challenge),
        413: Answer("`invalid_request`: the form is too large.", errors),
        429: Answer("`temporarily_unavailable`: asked too often.", errors, _RETRY_AFTER),
        500: Answer("`server_error`: it has been logged.", errors),
        502: Answer("`temporarily_unavailable`: the service gave no answer.", errors),
        503: Answer("`temporarily_unavailable`: come back later.", errors),
        504: Answer("`temporarily_unavailable`: no answer in time.", errors),
    }


def _form(parameters: dict[str, Any], required: list[str]) -> Schema:
    """Parameters that are not known are of no account (RFC 6749 section 3.2)."""
    return {
        "type": "object",
        "properties": parameters,
        "required": required,
        "additionalProperties": {"type": "string"},
    }


_TOKEN_ANSWER = Body(
    JSON,
    Shared(
        "AccessToken",
        schemas.members(
            {
                "token_type": {"const": "Bearer"},
                "access_token": _TEXT,
                "expires_in": {"type": "integer", "minimum": 1, "description": "In seconds."},
                "scope": _TEXT,
            }
        ),
    ),
)
_END_IT = {
    "end_it": {
        "operationId": "revoke",
        "requestBody": {"token": "$response.body#/access_token"},
        "description": "Ends the token before its time.",
    }
}
ISSUE = Operation(
    TAG,
    "Get an access token",
    _with_refusals(
        Answer("Keep it, and use it until it expires.", (_TOKEN_ANSWER,), links=_END_IT)
    ),
    description="The credentials go into HTTP Basic or into the form, not into both.",
    request=(
        Body(
            FORM,
            _form(
                {
                    "grant_type": {"const": "client_credentials"},
                    "scope": {"type": "string", "description": "Less than all the client has."},
                    **_CREDENTIALS,
                },
                ["grant_type"],
            ),
            {"all_scopes": {"grant_type": "client_credentials"}},
        ),
    ),
)
REVOKE = Operation(
    TAG,
    "End an access token",
    _with_refusals(
        Answer("Also for a token that is unknown or expired (RFC 7009).", (Body(JSON),))
    ),
    request=(
        Body(
            FORM,
            _form(
                {
                    "token": {"type": "string", "minLength": 1},
                    "token_type_hint": _TEXT,
                    **_CREDENTIALS,
                },
                ["token"],
            ),
        ),
    ),
)

_KEY = {
    "type": "object",
    "properties": {"kty": _TEXT, "kid": _TEXT, "alg": _TEXT, "use": {"const": "sig"}},
    "required": ["kty", "kid", "alg", "use"],
}
JWKS = Operation(
    TAG,
    "Read the public keys",
    {
        200: Answer(
            "The keys that verify access tokens (RFC 7517).",
            (Body(JSON, schemas.members({"keys": {"type": "array", "items": _KEY}})),),
            {"ETag": "Send it as If-None-Match.", "Cache-Control": "How long to keep the keys."},
        ),
        304: Answer("They have not changed."),
    },
)
METADATA = Operation(
    TAG,
    "Read the token service's metadata",
    {
        200: Answer(
            "As RFC 8414 says.",
            (
                Body(
                    JSON,
                    {
                        "type": "object",
                        "properties": {
                            "issuer": _URL,
                            "token_endpoint": _URL,
                            "token_endpoint_auth_methods_supported": _TEXTS,
                            "revocation_endpoint": _URL,
                            "jwks_uri": _URL,
                            "grant_types_supported": _TEXTS,
                            "response_types_supported": _TEXTS,
                        },
                        "required": ["issuer", "token_endpoint", "jwks_uri"],
                    },
                ),
            ),
            {"ETag": "Send it as If-None-Match.", "Cache-Control": "How long to keep it."},
        ),
        304: Answer("It has not changed."),
    },
)

TOKEN_SERVICE_ROUTES = (
    Route("token", ISSUANCE_PATH, "POST", BY_CLIENT, ISSUE),
    Route("revoke", REVOCATION_PATH, "POST", BY_CLIENT, REVOKE),
    Route("jwks", JWKS_PATH, "GET", PUBLIC, JWKS),
    Route("metadata", METADATA_PATH, "GET", PUBLIC, METADATA),
    Route("load", LOAD_RULE, "POST", ADMIN, open_inference_operations.load),
    Route("unload", UNLOAD_RULE, "POST", ADMIN, open_inference_operations.unload),
)
