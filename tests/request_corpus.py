"""Requests that servers have read wrongly, as Gunicorn's own tests keep them."""

import json
from pathlib import Path

_FILE = Path(__file__).parent / "recorded" / "gunicorn_requests.json"


def corpus() -> dict[str, bytes]:
    """By name, `valid/…` or `invalid/…`: the bytes of one request, sometimes of several."""
    requests: dict[str, str] = json.loads(_FILE.read_text())["requests"]
    return {name: text.encode("latin-1") for name, text in requests.items()}
