"""The parameters of a request to the token service. Source: RFC 6749 section 3.2, appendix B."""

from urllib.parse import parse_qsl

from flask import Request

from gateway.auth.oauth_errors import InvalidRequest

MAX_FORM_BYTES = 16 * 1024
_MAX_PARAMETERS = 32
_FORM = "application/x-www-form-urlencoded"


def read_form(request: Request) -> dict[str, str]:
    """The form parameters that have a value. Nothing is ever taken from the query.

    Raises:
        InvalidRequest: another type of body, a malformed one, or a parameter that comes twice.
    """
    if request.mimetype != _FORM or request.content_encoding:
        raise InvalidRequest(f"Send the parameters as {_FORM}, not compressed.")
    body = request.get_data(cache=False)
    request.environ["gateway.body_read"] = True
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_MAX_PARAMETERS,
        )
    except ValueError as exc:
        raise InvalidRequest("The form cannot be decoded.") from exc
    if len({name for name, _ in pairs}) != len(pairs):
        raise InvalidRequest("A parameter may come once only.")
    return {name: value for name, value in pairs if value}
