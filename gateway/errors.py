"""Problems: every way a call can fail, each with a stable code. Source: RFC 9457.

The only place that knows HTTP statuses. `docs/errors.md` has a paragraph for every code here.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import orjson
import structlog
from flask import Response
from flask_restful import Api
from werkzeug.exceptions import HTTPException, MethodNotAllowed

log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"


class Problem(Exception):
    """A call that cannot be answered as asked.

    Args:
        detail: one sentence the caller can act on; nothing of our insides.
        headers: header fields of the answer.
        members: further members of the problem (RFC 9457 section 3.2).
        facts: what only the log gets.
    """

    status: ClassVar[int] = 400
    code: ClassVar[str] = "bad_request"
    title: ClassVar[str] = "The request cannot be understood"

    def __init__(
        self,
        detail: str = "",
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or f"{self.title}."
        self.headers = headers or {}
        self.members = members or {}
        self.facts = facts or {}

    def body(self, request_id: str) -> dict[str, Any]:
        """The problem details object."""
        return {
            "type": f"urn:gateway:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "request_id": request_id,
            **self.members,
        }


class BadRequest(Problem):
    pass


class InvalidJson(Problem):
    code, title = "invalid_json", "The body is not valid JSON"


class JsonTooDeep(Problem):
    code, title = "json_too_deep", "The JSON body is nested too deeply"


class JsonTooLarge(Problem):
    code, title = "json_too_large", "The JSON body has too many values"


class DuplicateKey(Problem):
    code, title = "duplicate_key", "A JSON object names a member twice"


class InvalidBody(Problem):
    code, title = "invalid_body", "The body is not what its Content-Type says"


class HttpsRequired(Problem):
    code, title = "https_required", "This port speaks HTTPS"


class EmptyBody(Problem):
    code, title = "empty_body", "The request has no body"


class CorruptBody(Problem):
    code, title = "corrupt_body", "The compressed body is damaged"


class Unauthenticated(Problem):
    """RFC 6750 section 3: no error code in the challenge where no credentials were given."""

    status, code, title = 401, "unauthenticated", "A valid access token is required"

    def __init__(self, *, reason: str, credentials_given: bool = True) -> None:
        challenge = 'Bearer realm="gateway"'
        detail = "Send an access token: Authorization: Bearer <token>."
        if credentials_given:
            challenge += ', error="invalid_token"'
            detail = "The access token is expired, revoked or not valid here. Ask for a new one."
        headers = {"WWW-Authenticate": challenge}
        super().__init__(detail, headers=headers, facts={"reason": reason})


class MalformedAuthorization(Problem):
    """RFC 6750 section 3.1 invalid_request: more than one way, or more than one token."""

    code, title = "invalid_request", "The Authorization header is malformed"

    def __init__(self, detail: str) -> None:
        challenge = 'Bearer realm="gateway", error="invalid_request"'
        super().__init__(
            detail, headers={"WWW-Authenticate": challenge}, facts={"reason": "malformed"}
        )


class InsufficientScope(Problem):
    status, code, title = 403, "insufficient_scope", "The access token does not allow this"

    def __init__(self, scope: str) -> None:
        challenge = f'Bearer realm="gateway", error="insufficient_scope", scope="{scope}"'
        super().__init__(
            f"This call needs the scope {scope}.",
            headers={"WWW-Authenticate": challenge},
            members={"required_scope": scope},
            facts={"required_scope": scope},
        )


class NotFound(Problem):
    status, code, title = 404, "not_found", "There is nothing at this path"


class UnknownModel(Problem):
    status, code, title = 404, "unknown_model", "There is no such model"


class UnknownVersion(Problem):
    status, code, title = 404, "unknown_version", "This version of the model is not in service"


class NotAllowed(Problem):
    status, code, title = 405, "method_not_allowed", "This path does not know this method"


class NotAcceptable(Problem):
    status, code, title = 406, "not_acceptable", "The answer cannot be given in an accepted type"


class BodyTooLarge(Problem):
    status, code, title = 413, "body_too_large", "The body is too large"


class UriTooLong(Problem):
    status, code, title = 414, "uri_too_long", "The request target is too long"


class UnsupportedMediaType(Problem):
    status, code, title = 415, "unsupported_media_type", "The body's type is not understood"


class UnsupportedEncoding(Problem):
    status, code, title = 415, "unsupported_encoding", "The body's encoding is not understood"


class ExpectationFailed(Problem):
    status, code, title = 417, "expectation_failed", "The server cannot meet this expectation"


class MisdirectedRequest(Problem):
    status, code, title = 421, "misdirected_request", "This server does not speak for this host"


class InvalidInput(Problem):
    status, code, title = 422, "invalid_input", "The input does not keep the model's contract"


class RateLimited(Problem):
    status, code, title = 429, "rate_limited", "A limit of the plan is used up"

    def __init__(self, detail: str, *, retry_after_s: int, limit: str) -> None:
        super().__init__(
            detail,
            headers={"Retry-After": str(retry_after_s)},
            members={"limit": limit, "retry_after": retry_after_s},
            facts={"limit": limit, "retry_after_s": retry_after_s},
        )


class AddressLimited(Problem):
    status, code, title = 429, "address_limited", "This address sends too much"


class HeaderTooLarge(Problem):
    status, code, title = 431, "header_too_large", "The header fields are too large"


class InternalError(Problem):
    status, code, title = 500, "internal_error", "The gateway failed"

    def __init__(self) -> None:
        super().__init__("The failure has been logged under this request id.")


class ModelFailed(Problem):
    status, code, title = 500, "model_failed", "The model failed on this input"

    def __init__(self) -> None:
        super().__init__("The failure has been logged under this request id.")


class NotImplementedHere(Problem):
    status, code, title = 501, "not_implemented", "The server does not know this kind of request"


class BadGateway(Problem):
    status, code, title = 502, "bad_gateway", "The gateway's worker gave no usable answer"


class _Unavailable(Problem):
    """503: the same call may succeed later. Always says when to try again."""

    status = 503

    def __init__(
        self, detail: str = "", *, retry_after_s: int = 1, facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(
            detail,
            headers={"Retry-After": str(retry_after_s)},
            facts={"retry_after_s": retry_after_s, **(facts or {})},
        )


class NotReady(_Unavailable):
    code, title = "not_ready", "This worker cannot serve yet"


class Overloaded(_Unavailable):
    code, title = "overloaded", "The gateway is busy"


class ModelUnavailable(_Unavailable):
    code, title = "model_unavailable", "This model cannot be served at the moment"


class LimitsUnavailable(_Unavailable):
    code, title = "limits_unavailable", "Limits cannot be checked at the moment"


class ControlStoreUnavailable(_Unavailable):
    code, title = "control_store_unavailable", "Access tokens cannot be checked at the moment"


class DeadlineExceeded(Problem):
    status, code, title = 504, "deadline_exceeded", "The prediction took longer than allowed"


class HttpVersionNotSupported(Problem):
    status, code, title = 505, "http_version_not_supported", "This HTTP version is not supported"


def catalogue() -> dict[str, type[Problem]]:
    """Every problem by its code."""
    found: dict[str, type[Problem]] = {Problem.code: BadRequest}
    waiting = list(Problem.__subclasses__())
    while waiting:
        problem = waiting.pop()
        waiting += problem.__subclasses__()
        if not problem.__name__.startswith("_"):
            found[problem.code] = problem
    return found


# What Werkzeug, Flask or Gunicorn refuse, as problems of ours.
_BY_STATUS: Mapping[int, type[Problem]] = {
    400: BadRequest,
    404: NotFound,
    405: NotAllowed,
    406: NotAcceptable,
    413: BodyTooLarge,
    414: UriTooLong,
    415: UnsupportedMediaType,
    417: ExpectationFailed,
    421: MisdirectedRequest,
    431: HeaderTooLarge,
    501: NotImplementedHere,
    504: DeadlineExceeded,
    505: HttpVersionNotSupported,
}


def problem_for_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The problem that stands for a bare status."""
    kind = _BY_STATUS.get(status)
    if kind is None:
        return InternalError() if status >= 500 else BadRequest(headers=headers)
    return kind(headers=headers)


def problem_from(exc: Exception) -> Problem:
    """Any exception of a request as a problem. One that nobody expected becomes a constant."""
    if isinstance(exc, Problem):
        return exc
    if isinstance(exc, HTTPException) and exc.code is not None:
        return problem_for_status(exc.code, _allow(exc))
    log.error("request_failed", exc_info=exc)
    return InternalError()


def _allow(exc: HTTPException) -> Mapping[str, str]:
    if isinstance(exc, MethodNotAllowed) and exc.valid_methods:
        return {"Allow": ", ".join(sorted(exc.valid_methods))}
    return {}


Shape = Callable[[Problem, str], tuple[bytes, str]]


def problem_details(problem: Problem, request_id: str) -> tuple[bytes, str]:
    """The body of a problem in our own shape, and its content type."""
    return orjson.dumps(problem.body(request_id)), PROBLEM_JSON


def problem_with_error(problem: Problem, request_id: str) -> tuple[bytes, str]:
    """{"error": text}, as the Open Inference Protocol says; the other members stand beside it."""
    return orjson.dumps({"error": problem.detail, **problem.body(request_id)}), "application/json"


def problem_response(problem: Problem, request_id: str, shape: Shape | None = None) -> Response:
    """The answer that carries a problem, in the shape that its caller speaks.

    Whatever the shape, `Gateway-Error-Code` has the code.
    """
    body, content_type = (shape or problem_details)(problem, request_id)
    response = Response(body, status=problem.status, content_type=content_type)
    response.headers["Gateway-Error-Code"] = problem.code
    response.headers.update(problem.headers)
    return response


class JsonApi(Api):  # type: ignore[misc]  # flask_restful has no types
    """Flask-RESTful for routing only: errors go to the app's own handler.

    The stock class answers for itself, and turns the 401 and 429 of extensions into 500.
    """

    def error_router(
        self, original_handler: Callable[[Exception], Response], e: Exception
    ) -> Response:
        return original_handler(e)
