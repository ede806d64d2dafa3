"""The floors: a Flask app that does nothing, and one that only reads its body.

`gunicorn --workers 2 bench.floor_app:app`; `bench.floor_app:hello` is Gunicorn without Flask.
"""

from collections.abc import Iterable
from typing import Any

from flask import Flask, request

app = Flask("floor")


@app.post("/empty")
def empty() -> str:
    """Answer without looking at the request."""
    return "{}"


@app.post("/read")
def read() -> str:
    """Read the body, and look at nothing in it."""
    request.get_data()
    return "{}"


def hello(_environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """A WSGI app of two lines."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "2")])
    return (b"{}",)
