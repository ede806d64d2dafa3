"""The prediction app as Gunicorn loads it, for `test_worker`."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from app_fixture import make_app

_FOLDER = Path(os.environ["WORKER_APP_FOLDER"])
_GATEWAY = make_app(_FOLDER)
(_FOLDER / "token").write_text(_GATEWAY.token())


class App:
    """What the worker starts and stops; leaves a file for each."""

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        return _GATEWAY.app(environ, start_response)

    def start(self) -> None:
        (_FOLDER / "started").touch()

    def stop(self) -> None:
        (_FOLDER / "stopped").touch()


app = App()
