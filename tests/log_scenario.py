"""Run as a program by `test_logging`: logs what is hard to log, as the service would."""

import logging
import logging.config
import sys

import structlog

from config.logging import configure_logging, gunicorn_logging

CANARY = "x\r\ny\x1b[31mz\u2028\u2029\x85\x9b31m\x00\x7f\ud800"


class Unprintable:
    """Fails wherever it is looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("no text")


def endless() -> object:
    """A list that holds itself."""
    loop: list[object] = []
    loop.append(loop)
    return loop


def deep() -> object:
    """Deeper than Python may go."""
    value: object = 1
    for _ in range(100_000):
        value = [value]
    return value


HARD = {
    "text": CANARY,
    "key": {CANARY: CANARY},
    "keys": {1: "a", (1, 2): "b", None: "c", b"x": "d"},
    "huge": 10**30,
    "enormous": 10**5000,
    "not_numbers": [float("nan"), float("inf"), CANARY],
    "bytes": b"\xff\n",
    "set": {1},
    "exception": ValueError(CANARY),
    "unprintable": Unprintable(),
    "endless": endless(),
    "deep": deep(),
}


def raise_deeply(depth: int) -> None:
    """A traceback of many frames with text that grows when it is escaped."""
    if depth:
        raise_deeply(depth - 1)
    raise ValueError("\u2028" * 5000)


def main() -> None:
    configure_logging("info")
    logging.config.dictConfig(gunicorn_logging("info"))
    log = structlog.get_logger()
    for name, value in HARD.items():
        log.info("hard", case=name, **{CANARY: "key", "value": value})
    log.info(CANARY, case="event")
    log.debug("not_logged")
    gunicorn = logging.getLogger("gunicorn.error")
    gunicorn.info("Booting worker with pid: %s%s", 1, CANARY)
    gunicorn.debug("not logged")
    try:
        raise_deeply(300)
    except ValueError:
        log.exception("failed", request_id="r")
        gunicorn.exception("Exception in worker process")
    log.info("long", text="a" * 100_000, other="b" * 100_000)
    with structlog.contextvars.bound_contextvars(request_id="r"):
        logging.getLogger("sqlalchemy").warning("of a library")
    logging.getLogger("sqlalchemy").info("not logged")
    logging.getLogger("gunicorn.error").info("%d", "a wrong argument")
    log.info("last")


if __name__ == "__main__":
    main()
    sys.exit(0)
