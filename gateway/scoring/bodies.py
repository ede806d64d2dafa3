"""Chunks as request bodies: the fastest form that the gateway takes, compressed where it helps.

Numbers travel as one matrix (npy), which neither side has to read digit by digit; tables of mixed
types as Arrow where pyarrow is installed; anything else, and for any gateway, as JSON by column.
"""

import io
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
import zstandard
from isal import isal_zlib

from gateway.scoring.contract import ModelContract
from gateway.scoring.rows import Chunk, Column

NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"

# A body that shrinks by less is sent sooner as it is.
_WORTH_IT = 0.8
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=1).compress(body),
    "gzip": lambda body: isal_zlib.compress(body, 1, 31),
}


# None where some cell does not fit.
ToArrow = Callable[[Chunk, ModelContract], bytes | None]


@dataclass(frozen=True, slots=True)
class Body:
    """The bytes of a request and what they are. `coding` is empty where they are not compressed."""

    content: bytes
    content_type: str
    coding: str

    @property
    def headers(self) -> dict[str, str]:
        sent = {"Content-Type": self.content_type, "Accept": JSON}
        return {**sent, "Content-Encoding": self.coding} if self.coding else sent


class Bodies:
    """Makes bodies, and remembers which the gateway refused.

    Args:
        compression: `auto`, `zstd`, `gzip` or `none`.
        to_arrow: features as an Arrow stream; None where pyarrow is not installed.
    """

    def __init__(
        self,
        contract: ModelContract,
        compression: str,
        to_arrow: ToArrow | None = None,
    ) -> None:
        self._contract = contract
        self._writers: dict[str, Callable[[Chunk], bytes | None]] = {NPY: self._npy}
        if to_arrow is not None and not contract.dense:
            self._writers[ARROW] = lambda chunk: to_arrow(chunk, contract)
        self._writers[JSON] = _json
        self._coding = {"auto": "zstd", "none": ""}.get(compression, compression)
        self._always = compression != "auto"
        self._lock = threading.Lock()

    def body(self, chunk: Chunk) -> Body:
        """The rows of a chunk that can be sent."""
        for content_type, write in list(self._writers.items()):
            content = write(chunk)
            if content is not None:
                return self._compressed(content, content_type)
        raise AssertionError("JSON holds every chunk")

    def refuse(self, body: Body, code: str) -> bool:
        """Do without what the gateway does not understand; False where nothing is left."""
        with self._lock:
            if code == "unsupported_encoding" and body.coding:
                self._coding = ""
                return True
            if body.content_type == JSON:
                return False
            self._writers.pop(body.content_type, None)
            return True

    def _compressed(self, content: bytes, content_type: str) -> Body:
        coding = self._coding
        if coding:
            smaller = _ENCODERS[coding](content)
            if self._always or len(smaller) < _WORTH_IT * len(content):
                return Body(smaller, content_type, coding)
            if len(content) > 64 * 1024:
                # What holds for one chunk holds for the others of a file.
                self._coding = ""
        return Body(content, content_type, "")

    def _npy(self, chunk: Chunk) -> bytes | None:
        columns = list(chunk.features.values())
        if not self._contract.dense or not all(isinstance(each, np.ndarray) for each in columns):
            return None
        buffer = io.BytesIO()
        np.save(buffer, np.column_stack(columns), allow_pickle=False)
        return buffer.getvalue()


def _json(chunk: Chunk) -> bytes:
    columns = {name: _jsonable(column) for name, column in chunk.features.items()}
    option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps({"columns": columns}, default=str, option=option)


def _jsonable(column: Column) -> Sequence[Any] | np.ndarray[Any, Any]:
    # NaN and infinity become null, which is a missing value.
    return np.ascontiguousarray(column) if isinstance(column, np.ndarray) else list(column)
