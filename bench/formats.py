"""10,000 rows of 30 features in each format and encoding: `python -m bench.formats`.

Rows per second through the whole stack (TLS, token, limits in Redis, validation, logs), beside the
same estimator asked in this process in the same run; and what bombs cost a worker in memory. Needs
`wrk`, and pyarrow (`make extras`) for the formats that need it.
"""

import contextlib
import gzip
import io
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import brotli
import click
import joblib
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from bench import models, trained
from bench.load import measure
from bench.ours import Gateway, gateway
from bench.processes import tree

MODEL = "logistic"
ROWS = 10_000
_PATH = f"/v1/models/{MODEL}/predict"
_ARROW = "application/vnd.apache.arrow.stream"
_PARQUET = "application/vnd.apache.parquet"
_BOMB_BYTES = 100_000_000
# 200:1, which is what applies to bodies of this size; see `server.max_inflation_ratio`.
_RATIO = 200

ENCODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "plain": lambda body: body,
    "gzip": lambda body: gzip.compress(body, 6),
    "zstd": lambda body: zstandard.compress(body, 3),
    "br": lambda body: brotli.compress(body, quality=5),
}


def bodies(matrix: np.ndarray, names: list[str]) -> dict[str, tuple[str, bytes]]:
    """The same rows in each format: what it is called, its Content-Type, its bytes."""
    text = orjson.dumps(matrix.tolist())
    lines = text[2:-2]
    table = pa.table(dict(zip(names, matrix.T, strict=True)))
    return {
        "JSON": ("application/json", b'{"data":%b}' % text),
        "NDJSON": ("application/x-ndjson", b"[%b]\n" % lines.replace(b"],[", b"]\n[")),
        "CSV": ("text/csv", ",".join(names).encode() + b"\n" + lines.replace(b"],[", b"\n")),
        "Arrow stream": (_ARROW, _stream(table)),
        "Arrow, packed inside": (_ARROW, _stream(table, "zstd")),
        "Parquet": (_PARQUET, _parquet(table)),
        "npy": ("application/x-npy", _saved(np.save, matrix)),
        "npz": ("application/x-npz", _saved(np.savez, matrix)),
        "bare doubles": ("application/octet-stream", matrix.tobytes()),
        "bare floats": ("application/octet-stream; dtype=float32", matrix.astype("<f4").tobytes()),
    }


def _stream(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _saved(save: Callable[..., None], array: np.ndarray) -> bytes:
    file = io.BytesIO()
    save(file, array)
    return file.getvalue()


def bombs() -> dict[str, tuple[dict[str, str], bytes]]:
    """A hundred megabytes in about a hundred kilobytes, in everything that unpacks."""
    zeros = b"0" * _BOMB_BYTES
    column = pa.table({"x": np.zeros(_BOMB_BYTES // 8)})
    file = io.BytesIO()
    np.savez_compressed(file, x=np.zeros(_BOMB_BYTES // 8))
    packed = {name: pack for name, pack in ENCODINGS.items() if name != "plain"}
    json = {"Content-Type": "application/json"}
    return {
        **{
            name: ({**json, "Content-Encoding": name}, pack(zeros)) for name, pack in packed.items()
        },
        "npz": ({"Content-Type": "application/x-npz"}, file.getvalue()),
        "Arrow": ({"Content-Type": _ARROW}, _stream(column, "zstd")),
        "Parquet": ({"Content-Type": _PARQUET}, _parquet(column, use_dictionary=False,
                                                         compression="zstd")),
    }  # fmt: skip


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="Of each turn.")
@click.option("--connections", default=4, show_default=True)
@click.option("--only", default="", help="Formats whose name holds this text.")
def main(*, seconds: float, connections: int, only: str) -> None:
    """Print both tables."""
    with tempfile.TemporaryDirectory(prefix="bench-formats-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        artifact = trained.ours() / f"{MODEL}.joblib"
        own_rows = _rows_per_s_here(artifact)
        with gateway(folder / "gateway", {MODEL: artifact}) as own:
            click.echo(f"in-process predict and predict_proba: {own_rows / 1000:.0f} k rows/s\n")
            _show_rates(own, seconds, connections, only)
            click.echo()
            _show_bombs(own)


def _rows_per_s_here(artifact: Path, seconds: float = 3.0) -> float:
    estimator, matrix = joblib.load(artifact), models.rows(ROWS)
    asked, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        estimator.predict(matrix)
        estimator.predict_proba(matrix)
        asked += 1
    return asked * ROWS / (time.perf_counter() - started)


def _show_rates(own: Gateway, seconds: float, connections: int, only: str) -> None:
    names = own.feature_names(MODEL)
    matrix = models.rows(ROWS).astype("<f8")
    click.echo(f"k rows/s of {ROWS} x 30, and MB of the body")
    click.echo(f"{'':24}" + "".join(f"{name:>18}" for name in ENCODINGS))
    for name, (content_type, body) in bodies(matrix, names).items():
        if only.lower() in name.lower():
            cells = [
                _rate(own, content_type, encoding, body, seconds, connections)
                for encoding in ENCODINGS
            ]
            click.echo(f"{name:24}" + "".join(f"{cell:>18}" for cell in cells))
    click.echo("\nanswers, asked with bare doubles")
    plain = matrix.tobytes()
    for accept in ("application/json", "application/x-ndjson", "text/csv", _ARROW,
                   "application/x-npy", "application/x-npz"):  # fmt: skip
        rate = _rate(own, "application/octet-stream", "plain", plain, seconds, connections, accept)
        click.echo(f"{accept:48}{rate:>18}")


def _rate(  # noqa: PLR0913, PLR0917  # What a call is made of, and how it is measured.
    own: Gateway,
    content_type: str,
    encoding: str,
    body: bytes,
    seconds: float,
    connections: int,
    accept: str = "*/*",
) -> str:
    packed = ENCODINGS[encoding](body)
    headers = own.headers(Content_Type=content_type, Accept=accept)
    if encoding != "plain":
        headers["Content-Encoding"] = encoding
    found = measure(own.url + _PATH, packed, headers, connections=connections, seconds=seconds)
    if found.refused or found.broken:
        return "refused"
    return f"{found.requests_per_s * ROWS / 1000:.0f} ({len(packed) / 1e6:.2f})"


def _show_bombs(own: Gateway) -> None:
    click.echo(f"{'bomb':12}{'kB':>8}{'status':>8}{'allowed MiB':>13}{'worker grew by MiB':>20}")
    for name, (headers, body) in bombs().items():
        with _growth(own) as grown:
            status = _status(own, headers, body)
        allowed = max(1.0, min(64.0, _RATIO * len(body) / 2**20)) if name in ENCODINGS else 64.0
        click.echo(f"{name:12}{len(body) / 1000:>8.0f}{status:>8}{allowed:>13.1f}{grown[0]:>20.1f}")


def _status(own: Gateway, headers: Mapping[str, str], body: bytes) -> int:
    given = {**own.headers(), **headers}
    request = urllib.request.Request(own.url + _PATH, body, given)
    try:
        with urllib.request.urlopen(request, timeout=30, context=own.trusting) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


@contextlib.contextmanager
def _growth(own: Gateway) -> Iterator[list[float]]:
    """By how many MiB the process that grew most grew while the block ran, at its peak."""
    pids = tree(own.server.process.pid)
    before = {}
    for pid in pids:
        # Begins the peak anew (proc(5), clear_refs).
        Path(f"/proc/{pid}/clear_refs").write_text("5")
        before[pid] = _kilobytes(pid, "VmRSS")
    grown: list[float] = []
    yield grown
    grown.append(max(_kilobytes(pid, "VmHWM") - before[pid] for pid in pids) / 1024)


def _kilobytes(pid: int, name: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


if __name__ == "__main__":
    main()
