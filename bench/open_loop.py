"""Load at an offered rate, whatever comes back: requests leave when they are due (open loop).

wrk asks again when it was answered, so a slow server is asked less. Callers do not wait for each
other: here each has its moment, and its latency counts from that moment.
"""

import asyncio
import ssl
import statistics
import time
from collections import Counter
from dataclasses import dataclass
from urllib.parse import urlsplit

from bench.peers import Payload

_MOST_CONNECTIONS = 2000


@dataclass(frozen=True)
class Offered:
    """What became of the requests of one rate. Latencies in ms, by status; 0 is a broken one."""

    rate: float
    seconds: float
    latencies_ms: dict[int, list[float]]

    @property
    def goodput(self) -> float:
        return len(self.latencies_ms.get(200, ())) / self.seconds

    @property
    def statuses(self) -> Counter[int]:
        return Counter({status: len(found) for status, found in self.latencies_ms.items()})

    @property
    def refused(self) -> int:
        """Answers other than 200, and none."""
        return sum(count for status, count in self.statuses.items() if status != 200)

    def quantile_ms(self, share: float, *, accepted: bool) -> float:
        found = sorted(
            latency
            for status, latencies in self.latencies_ms.items()
            if (status == 200) == accepted
            for latency in latencies
        )
        if len(found) < 2:
            return found[0] if found else float("nan")
        return statistics.quantiles(found, n=1000, method="inclusive")[round(share * 1000) - 1]


def offer(url: str, payload: Payload, rate: float, seconds: float) -> Offered:
    """Send `rate` requests a second for so many seconds, and wait for what is under way."""
    return asyncio.run(_Caller(url, payload).offer(rate, seconds))


class _Caller:
    """Keeps connections that answered, and opens another where none is free."""

    def __init__(self, url: str, payload: Payload) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "localhost", parts.port
        # The certificate is the stack's own, on loopback.
        self._tls = ssl._create_unverified_context() if parts.scheme == "https" else None  # noqa: S323
        fields = {"Host": parts.netloc, "Content-Length": str(len(payload.body)), **payload.headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        self._request = f"POST {payload.path} HTTP/1.1\r\n{head}\r\n".encode() + payload.body
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._open = asyncio.Semaphore(_MOST_CONNECTIONS)
        self._latencies: dict[int, list[float]] = {}

    async def offer(self, rate: float, seconds: float) -> Offered:
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(round(rate * seconds)):
                due = started + number / rate
                if (wait := due - time.perf_counter()) > 0:
                    await asyncio.sleep(wait)
                group.create_task(self._one(due))
        for _, writer in self._idle:
            writer.close()
        return Offered(rate, seconds, self._latencies)

    async def _one(self, due: float) -> None:
        async with self._open:
            try:
                status = await asyncio.wait_for(self._ask(), timeout=30)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError):
                status = 0
        self._latencies.setdefault(status, []).append((time.perf_counter() - due) * 1000)

    def _kept(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        while self._idle:
            reader, writer = self._idle.pop()
            # nginx closes those that were idle for a minute.
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return None

    async def _ask(self) -> int:
        reader, writer = self._kept() or await asyncio.open_connection(
            self._host, self._port, ssl=self._tls
        )
        writer.write(self._request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        if b"connection: close" in head:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return int(head.split(b" ", 2)[1])
