"""Calls that arrive: with a token, within the plan, tried again where that is safe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from gateway.scoring.backoff import Backoff, retry_after_s
from gateway.scoring.connection import Answer, Connection, NoAnswer
from gateway.scoring.credentials import Credentials
from gateway.scoring.errors import ScoringFailed
from gateway.scoring.pace import Pace
from gateway.scoring.tokens import Tokens

_UNREACHED_S = 5.0


@dataclass(frozen=True)
class Waiting:
    """Time and chance, as arguments.

    Attributes:
        clock: seconds, monotonic.
        random: from 0 to 1.
        pause: waits so many seconds; the text says what for. Raises Stopped where it shall end.
        patience_s: how long one call is tried again after its first failure.
    """

    clock: Callable[[], float]
    random: Callable[[], float]
    pause: Callable[[float, str], None]
    patience_s: float

    def backoff(self, *, reached: bool) -> Backoff:
        """Where nothing was ever reached, an address is more likely wrong than a gateway away."""
        patience_s = self.patience_s if reached else min(self.patience_s, _UNREACHED_S)
        return Backoff(self.clock, self.random, patience_s)


class Api:
    """One client of one gateway; safe for several threads."""

    def __init__(
        self,
        connection: Connection,
        credentials: Credentials,
        waiting: Waiting,
        accept_encoding: str = "zstd, gzip",
    ) -> None:
        self._connection = connection
        self._waiting = waiting
        self._always = {"User-Agent": "gateway-score", "Accept-Encoding": accept_encoding}
        self._tokens = Tokens(credentials, self._post_form, waiting.clock)
        self._pace: Pace | None = None
        self._reached = False
        self._trouble = ""

    def limits(self) -> dict[str, Any]:
        """The plan and what is left of it; calls are paced by it from now on."""
        return self._get("/v1/limits", "The plan")

    def contract(self, model: str, version: str | None) -> dict[str, Any]:
        """What the model takes and gives. Raises ScoringFailed, also where there is none such."""
        versions = f"/versions/{quote(version, safe='')}" if version else ""
        path = f"/v1/models/{quote(model, safe='')}{versions}"
        return self._get(path, f"The contract of {model}")

    def keep_pace(self, pace: Pace) -> None:
        """Let calls with rows wait for the plan's windows from now on."""
        self._pace = pace

    def predict(self, path: str, body: bytes, headers: Mapping[str, str], row_count: int) -> Answer:
        """The answer to rows, whatever its status, once nothing more can be done about it.

        Raises:
            ScoringFailed: no answer in all the time there was.
            Stopped: see `Waiting.pause`.
        """
        # One call of many: what shall end ends here, too.
        self._waiting.pause(0.0, "")
        return self._call("POST", path, body, headers, row_count)

    def _get(self, path: str, what: str) -> dict[str, Any]:
        answer = self._call("GET", path, None, {}, None)
        if answer.status != 200:
            raise ScoringFailed(f"{what} cannot be read: {answer.reason}.")
        return answer.json()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        row_count: int | None,
    ) -> Answer:
        backoff = self._waiting.backoff(reached=self._reached)
        renewed = False
        while True:
            token = self._tokens.current()
            sent = {**self._always, **headers, "Authorization": f"Bearer {token}"}
            answer = self._paced(method, path, body, sent, row_count)
            if answer is not None and answer.status == 401 and not renewed:
                self._tokens.drop(token)
                renewed = True
                continue
            if self._stands(answer, backoff):
                assert answer is not None  # noqa: S101  # Else it would not stand.
                return answer

    def _stands(self, answer: Answer | None, backoff: Backoff) -> bool:
        """Whether this is the answer; otherwise the wait before the next try is over.

        Raises: ScoringFailed, where there was none for too long.
        """
        wait_s = backoff.wait_s(answer)
        if wait_s is not None:
            self._waiting.pause(wait_s, _why(answer))
            return False
        if answer is None:
            raise ScoringFailed(
                f"The gateway gave no answer, however often asked: {self._trouble}."
            )
        return True

    def _paced(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        row_count: int | None,
    ) -> Answer | None:
        pace = self._pace if row_count is not None else None
        if pace is None or row_count is None:
            return self._once(method, path, body, headers)
        while True:
            wait_s, limit = pace.reserve(row_count)
            if not wait_s:
                break
            self._waiting.pause(wait_s, f"the plan's {limit}")
        answer = None
        try:
            answer = self._once(method, path, body, headers)
        finally:
            pace.settle(row_count, None if answer is None else answer.headers)
        if answer is not None and answer.status == 429:
            pace.refused(str(answer.json().get("limit", "")), retry_after_s(answer) or 1.0)
        return answer

    def _once(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer | None:
        try:
            answer = self._connection.send(method, path, body, headers)
        except NoAnswer as exc:
            self._trouble = str(exc)
            return None
        self._reached = True
        return answer

    def _post_form(self, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        backoff = self._waiting.backoff(reached=self._reached)
        while True:
            answer = self._once("POST", path, body, {**self._always, **headers})
            if self._stands(answer, backoff):
                assert answer is not None  # noqa: S101  # Else it would not stand.
                return answer


def _why(answer: Answer | None) -> str:
    if answer is None:
        return "the gateway, which cannot be reached"
    limit = answer.json().get("limit")
    return f"the plan's {limit}" if limit else f"the gateway ({answer.status} {answer.code})"
