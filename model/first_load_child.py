"""What runs in the confined child: `first_load` reads what it leaves."""

import json
import signal
from pathlib import Path
from types import FrameType

from model.engines.choosing import engines_for
from model.engines.record import AUTO, EngineChoice, EngineWish, native_because
from model.errors import ArtifactRejected
from model.first_load import ask
from model.first_load_files import (
    RESULT_FILE,
    Order,
    read_order,
    write_engines,
    write_result,
)
from model.protocol import Model

# Compiling, comparing and measuring.
_MOST_S = 120


class _TimeIsUp(BaseException):
    """Not to be caught by what only tries something."""


def main(folder: Path) -> None:
    """Load the model in `folder`; write its contract, its answer to the example and its engines."""
    order = read_order(folder)
    _say("loading")
    model, told = ask(order.contents, order.name, order.version, order.trusted)
    write_result(folder, told.contract, told.golden)
    if order.wish is None:
        return
    try:
        write_engines(folder, _chosen(model, order, order.wish))
    except ArtifactRejected:
        # What is refused in words was no accident, which a second load would pass over.
        (folder / RESULT_FILE).unlink()
        raise


def _chosen(model: Model, order: Order, wish: EngineWish) -> EngineChoice:
    try:
        signal.signal(signal.SIGALRM, _stop)
        signal.alarm(_MOST_S)
        return engines_for(model, order.contents, wish, _say)
    except (_TimeIsUp, MemoryError) as exc:
        what = "time" if isinstance(exc, _TimeIsUp) else "memory"
        reason = f"Compiling it would take more {what} than there is."
        if wish.engine != AUTO:
            raise ArtifactRejected(reason) from exc
        return EngineChoice(native_because(reason))
    finally:
        signal.alarm(0)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _TimeIsUp


def _say(text: str) -> None:
    print(json.dumps({"progress": text}), flush=True)  # noqa: T201  # To the parent.


if __name__ == "__main__":
    main(Path.cwd())
