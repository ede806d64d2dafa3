"""Says what is being done, where it takes more than a second."""

import sys
import threading
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

_AFTER_S = 1.0


class Progress:
    """Call it with each thing that is begun. On a terminal it moves; elsewhere each is a line.

    Args:
        subject: what it is done with.
    """

    def __init__(self, subject: str, after_s: float = _AFTER_S) -> None:
        self._subject = subject
        self._console = Console(stderr=True, highlight=False, markup=False)
        self._text = ""
        self._status: Status | None = None
        self._shown = False
        self._changing = threading.Lock()
        self._timer = threading.Timer(after_s, self._begin)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __call__(self, text: str) -> None:
        with self._changing:
            self._text = text
            if self._shown:
                self._show()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        with self._changing:
            self._shown = False
            if self._status is not None:
                self._status.stop()

    def _begin(self) -> None:
        with self._changing:
            self._shown = True
            if self._text:
                self._show()

    def _show(self) -> None:
        line = f"{self._subject}: {self._text} …"
        if not sys.stderr.isatty():
            self._console.print(line, soft_wrap=True)
        elif self._status is None:
            self._status = self._console.status(line)
            self._status.start()
        else:
            self._status.update(line)
