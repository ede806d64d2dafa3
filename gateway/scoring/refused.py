"""The report of rows that were not scored: one line for each thing that is wrong."""

import csv
import io
import os
from pathlib import Path

from gateway.scoring.rows import Scored

_HEADER = ("row", "line", "feature", "code", "found", "expected", "value")
_LONGEST_VALUE = 200


class RefusedReport:
    """`OUTPUT.refused.csv`. Rows and lines count from 1, the header being line 1."""

    def __init__(self, path: Path, size: int) -> None:
        """Goes on at `size`, anew where that is 0. Raises: OSError."""
        self.path = path
        self._file = path.open("r+b" if size else "wb")
        self._file.truncate(size)
        self._file.seek(size)
        if not size:
            self._write([_HEADER])

    def add(self, scored: Scored) -> None:
        """Note every refused row of a chunk."""
        rows = scored.rows
        lines = []
        for at, faults in sorted(scored.refused.items()):
            line = rows.lines[at] if rows.lines else None
            for fault in faults:
                shown = fault._replace(value=fault.value[:_LONGEST_VALUE])
                lines.append((rows.start.row + at + 1, line, *shown))
        self._write(lines)

    def flush(self) -> int:
        """Hand everything to the disk; how many bytes there are now."""
        self._file.flush()
        os.fsync(self._file.fileno())
        return self._file.tell()

    def finish(self, *, empty: bool) -> None:
        """Close it; without any refused row, remove it."""
        self._file.close()
        if empty:
            self.path.unlink()

    def close(self) -> None:
        self._file.close()

    def _write(self, lines: object) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\n").writerows(lines)  # type: ignore[arg-type]
        self._file.write(text.getvalue().encode())


def refused_path(output: Path) -> Path:
    return output.with_name(f"{output.name}.refused.csv")
