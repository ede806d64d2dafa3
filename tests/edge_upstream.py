"""What stands behind nginx in its tests: says what it was told.

Run by Gunicorn; its role comes on the command line, as a raw environment variable.
"""

import json
import os
from collections.abc import Callable, Iterable
from typing import Any

STATUS = {"/teapot": "418 I'm a teapot", "/broken": "500 Internal Server Error"}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Echo the request as JSON."""
    length = len(environ["wsgi.input"].read())
    told = {name: value for name, value in environ.items() if isinstance(value, str)}
    body = {"role": os.environ["ROLE"], "environ": told, "body_bytes": length}
    headers = [
        ("Content-Type", "application/json"),
        ("X-Powered-By", "upstream/1.2.3"),
        ("X-Accel-Redirect", "/elsewhere"),
    ]
    if environ["PATH_INFO"] == "/with-hsts":
        headers.append(("Strict-Transport-Security", "max-age=1"))
    start_response(STATUS.get(environ["PATH_INFO"], "200 OK"), headers)
    return [json.dumps(body).encode()]
