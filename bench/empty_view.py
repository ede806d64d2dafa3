"""The floor: a Flask app with one view that does nothing."""

from flask import Flask

app = Flask("empty")


@app.post("/")
def empty() -> str:
    """Answer without looking at the request."""
    return "{}"
