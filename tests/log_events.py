"""Events as the service logs them, for the tests of `gateway logs`."""

import json
from typing import Any

REQUEST_ID = "a" * 32

GOOD: dict[str, Any] = {
    "request_id": REQUEST_ID,
    "trace_id": REQUEST_ID,
    "partner": "acme",
    "client_id": "acme-1",
    "key_id": "k1",
    "jti": "token-7",
    "method": "POST",
    "route": "/v1/models/<name>/predict",
    "status": 200,
    "bytes_in": 900,
    "bytes_out": 120,
    "client_address": "203.0.113.9",
    "model": "wine",
    "version": "1",
    "rows": 12,
    "duration_ms": 3.4,
    "auth_ms": 0.1,
    "decode_ms": 0.2,
    "limits_ms": 0.3,
    "predict_ms": 1.7,
    "encode_ms": 0.1,
    "event": "request_finished",
    "level": "info",
    "timestamp": "2026-11-23T13:41:03.163412Z",
}
_SIGNED = {"partner", "client_id", "key_id", "jti", "model", "version", "rows"}
UNSIGNED: dict[str, Any] = {
    **{name: value for name, value in GOOD.items() if name not in _SIGNED},
    "request_id": "d" * 32,
    "status": 401,
    "code": "unauthenticated",
    "reason": "expired",
}
NGINX: dict[str, Any] = {
    "timestamp": "2026-11-23T13:41:03.165Z",
    "event": "nginx_access",
    "request_id": REQUEST_ID,
    "client_address": "203.0.113.9",
    "method": "POST",
    "path": "/v1/models/wine/predict",
    "status": 200,
    "duration_ms": 5,
    "upstream_ms": 4,
    "bytes_in": 1400,
    "bytes_out": 700,
    "tls": "TLSv1.3",
    "http": "HTTP/2.0",
    "limit": "",
}
WARNING: dict[str, Any] = {
    "event": "limits_fallback_started",
    "cause": "TimeoutError",
    "level": "warning",
    "timestamp": "2026-11-23T13:41:04Z",
}


def event_lines(*events: dict[str, Any]) -> bytes:
    """The events as a stream."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)
