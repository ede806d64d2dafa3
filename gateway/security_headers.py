"""Security headers of every answer that an app makes; nginx adds them to its own answers only."""

from flask import Flask, Response
from flask_talisman import Talisman

from gateway.web import add_fields

_OVERRIDABLE = {"cache-control", "content-security-policy", "vary"}
_POLICY = {
    "default-src": "'none'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}


def add_security_headers(app: Flask) -> None:
    """Give every answer of this app Talisman's headers, and those that Talisman does not know."""
    headers = security_headers()

    @app.after_request
    def add(response: Response) -> Response:
        # What an answer sets itself (cache rules of public keys, the page's policy) stays.
        own = {name.lower() for name, _ in response.headers} & _OVERRIDABLE
        kept = [header for header in headers if header[0].lower() not in own] if own else headers
        add_fields(response, kept)
        return response


def security_headers() -> list[tuple[str, str]]:
    """Names and values, the same for every answer."""
    return [*_talisman_headers(), *_further_headers()]


def _talisman_headers() -> list[tuple[str, str]]:
    # Talisman's headers never vary here, so it answers once, at start, instead of on each
    # request (31 µs each). `force_https` is off: it reflects Host, and nginx refuses plain HTTP.
    probe = Flask("talisman_probe")
    Talisman(
        probe,
        force_https=False,
        content_security_policy=_POLICY,
        frame_options="DENY",
        referrer_policy="no-referrer",
        permissions_policy={"geolocation": "()", "camera": "()", "microphone": "()"},
        strict_transport_security_max_age=31_536_000,
        session_cookie_secure=True,
    )
    probe.add_url_rule("/", view_func=lambda: "")
    response = probe.test_client().get("/", base_url="https://localhost")
    own = {"Content-Type", "Content-Length"}
    return [(name, value) for name, value in response.headers if name not in own]


def _further_headers() -> list[tuple[str, str]]:
    return [
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
        ("Cache-Control", "no-store"),
        ("Vary", "Authorization"),
    ]
