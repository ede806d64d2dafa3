"""Load: wrk sends one request over and over on kept connections, and says what came back."""

import json
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

_SCRIPT = """
wrk.method = "POST"
wrk.body = io.open({body}, "rb"):read("*a")
local given = {headers}
for name, value in pairs(given) do wrk.headers[name] = value end
function done(summary, latency, requests)
    local errors = summary.errors
    io.write("RESULT " .. string.format(
        '{{"requests":%d,"seconds":%.6f,"p50_ms":%.4f,"p99_ms":%.4f,"refused":%d,"broken":%d}}',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
        latency:percentile(99) / 1e3, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout) .. "\\n")
end
"""
_LONGEST_S = 3600


@dataclass(frozen=True)
class Measured:
    """What one run of the load saw.

    Attributes:
        requests_per_s: good answers; a refusal is none.
        refused: answers that were not 2xx or 3xx.
        broken: connections that failed, and time-outs.
    """

    requests_per_s: float
    p50_ms: float
    p99_ms: float
    refused: int
    broken: int

    def to_json(self) -> dict[str, float]:
        return asdict(self)


def measure(
    url: str, body: bytes, headers: Mapping[str, str], *, connections: int, seconds: float
) -> Measured:
    """Post this body for so many seconds."""
    with tempfile.TemporaryDirectory(prefix="bench-load-") as name:
        folder = Path(name)
        (folder / "body").write_bytes(body)
        given = "{" + ",".join(f"[{_lua(key)}]={_lua(text)}" for key, text in headers.items()) + "}"
        script = folder / "call.lua"
        script.write_text(_SCRIPT.format(body=_lua(str(folder / "body")), headers=given))
        command = ["wrk", "--threads", "1", "--connections", str(connections), "--timeout", "20s"]
        command += ["--duration", f"{_LONGEST_S}s", "--script", str(script), url]
        output = _run_for(command, seconds)
    found = json.loads(output.rpartition("RESULT ")[2])
    return Measured(
        requests_per_s=(found["requests"] - found["refused"]) / found["seconds"],
        p50_ms=found["p50_ms"],
        p99_ms=found["p99_ms"],
        refused=found["refused"],
        broken=found["broken"],
    )


def _run_for(command: list[str], seconds: float) -> str:
    """wrk knows whole seconds only; at an interrupt it ends, and reports the time it really had."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    if process.returncode:
        raise RuntimeError(f"wrk ended with {process.returncode}: {errors}")
    return output


def _lua(text: str) -> str:
    return json.dumps(text)
