"""How the command line speaks of the engines that answer a version."""

from collections.abc import Iterator

from model import ArtifactRejected, Manifest
from model.engines.record import TOLERANCE, EngineRecord

_ONE_ROW, _MANY_ROWS = 1, 10_000
_UNITS = ((1e-3, 1e6, "µs"), (1.0, 1e3, "ms"), (float("inf"), 1.0, "s"))


def engine_columns(manifest: Manifest | None) -> tuple[str | None, str | None, str | None]:
    """Which engine answers, and how fast each was for one row and for 10,000."""
    record = _record(manifest)
    if record is None:
        return None, None, None
    return engines(record), _times(record, _ONE_ROW), _times(record, _MANY_ROWS)


def engine_lines(manifest: Manifest) -> Iterator[str]:
    """Which engine answers, why, and what it was proved on."""
    record = _record(manifest)
    if record is None:
        return
    reason = f": {record.reason}" if record.reason else ""
    yield f"Answered by {engines(record)}{reason}"
    if record.largest_difference is not None:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in record.rows.items())
        yield (
            f"  proved on {sum(record.rows.values()):,} rows ({kinds}); numbers differ by at most"
            f" {record.largest_difference:.2g}, and {TOLERANCE:g} may be"
        )
    for rows in (_ONE_ROW, _MANY_ROWS):
        times = _times(record, rows)
        if times is not None:
            yield f"  {rows:,} row{'s' * (rows > 1)} in {times}"


def engines(record: EngineRecord) -> str:
    """`onnx`, or `onnx, native from 1,270 rows`."""
    (_, first), *others = record.routes
    return ", ".join([first, *(f"{engine} from {rows:,} rows" for rows, engine in others)])


def _record(manifest: Manifest | None) -> EngineRecord | None:
    try:
        return None if manifest is None else manifest.engines
    except ArtifactRejected:
        return None


def _times(record: EngineRecord, rows: int) -> str | None:
    measured = {engine: t[rows] for engine, t in record.times_s.items() if rows in t}
    serving = next(engine for first, engine in reversed(record.routes) if first <= rows)
    if serving not in measured:
        return None
    others = [f"{engine} {_spoken(s)}" for engine, s in measured.items() if engine != serving]
    return _spoken(measured[serving]) + (f" ({', '.join(others)})" if others else "")


def _spoken(seconds: float) -> str:
    factor, unit = next((factor, unit) for below, factor, unit in _UNITS if seconds < below)
    return f"{seconds * factor:.3g} {unit}"
