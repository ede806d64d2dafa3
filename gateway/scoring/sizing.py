"""How many rows a call has: few at first, then as many as are answered in a good time."""

import threading

_FIRST_ROWS = 1_000
# Beyond this, larger calls are no faster, and a lost one costs more.
_GOOD_BYTES = 2_500_000
# Between these, the size is right. The gateway's own deadline is 10 s.
_SHORT_S, _LONG_S = 0.5, 2.0


class ChunkSizer:
    """Shared by all threads.

    Args:
        most_rows: what plan and model allow in a call.
    """

    def __init__(self, most_rows: int) -> None:
        self._most_rows = most_rows
        self._rows = min(_FIRST_ROWS, most_rows)
        self._lock = threading.Lock()

    @property
    def rows(self) -> int:
        """For the next chunk; at least 1."""
        return self._rows

    def learn(self, rows: int, body_bytes: int, duration_s: float) -> None:
        """A call was answered. Only those of the present size say something about it."""
        with self._lock:
            if duration_s > _LONG_S:
                self._rows = max(1, min(self._rows, rows // 2))
            elif duration_s < _SHORT_S and rows >= self._rows:
                fitting = int(_GOOD_BYTES / body_bytes * rows)
                self._rows = max(1, min(self._rows * 2, fitting, self._most_rows))

    def too_much(self, rows: int) -> None:
        """A call with so many rows was too large, or took too long."""
        with self._lock:
            self._most_rows = max(1, min(self._most_rows, rows // 2))
            self._rows = min(self._rows, self._most_rows)
