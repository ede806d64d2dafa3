"""The prediction app as Gunicorn loads it, for `test_worker`."""

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from app_fixture import make_app

_FOLDER = Path(os.environ["WORKER_APP_FOLDER"])
_GATEWAY = make_app(_FOLDER)
(_FOLDER / "token").write_text(_GATEWAY.token())


class App:
    """What the worker starts and stops; leaves a file for each. Asked to, it breaks off."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer = _GATEWAY.app(environ, start_response)
        return _broken_off(answer) if environ["QUERY_STRING"] == "break_off" else answer

    def start(self) -> None:
        (_FOLDER / "started").touch()

    def stop(self) -> None:
        (_FOLDER / "stopped").touch()


def _broken_off(answer: Iterable[bytes]) -> Iterator[bytes]:
    with closing(answer):  # type: ignore[type-var]  # Flask's answers can be closed
        yield from answer
        raise RuntimeError("asked to")


app = App()
