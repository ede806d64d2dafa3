"""Thrift's compact protocol, read without trust: what Parquet's headers and footer are written in.

Source: thrift-compact-protocol.md.
"""

from typing import Any

from gateway.errors import InvalidBody

_MOST_DEPTH = 12
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = frozenset({4, 5, 6})
_MOST_VARINT_BYTES = 10


class ThriftReader:
    """Reads structures one after the other; `at` is where the next begins.

    A structure is a dictionary by the numbers of its members. Maps, which Parquet has none of, are
    refused; doubles are skipped.
    """

    def __init__(self, body: bytes, at: int, end: int) -> None:
        self.at = at
        self._body = body
        self._end = end

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Raises: InvalidBody, where there is none."""
        if depth > _MOST_DEPTH:
            raise damaged()
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != _STOP:
            step = head >> 4
            number = number + step if step else _signed(self._varint())
            found[number] = self._value(head & 0x0F, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:  # noqa: PLR0911  # One line for each kind.
        if kind in _INTEGERS:
            return _signed(self._varint())
        if kind in {_TRUE, _FALSE}:
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind == _DOUBLE:
            return self._bytes(8)
        if kind == _BINARY:
            return self._bytes(self._varint())
        if kind in {_LIST, _SET}:
            return self._list(depth + 1)
        if kind == _STRUCT:
            return self.structure(depth + 1)
        raise damaged()

    def _list(self, depth: int) -> list[Any]:
        if depth > _MOST_DEPTH:
            raise damaged()
        head = self._byte()
        kind, size = head & 0x0F, head >> 4
        size = self._varint() if size == 15 else size
        if size > self._end - self.at:
            # Each entry takes at least a byte.
            raise damaged()
        if kind in {_TRUE, _FALSE}:
            return list(self._bytes(size))
        return [self._value(kind, depth) for _ in range(size)]

    def _varint(self) -> int:
        number = 0
        for at in range(_MOST_VARINT_BYTES):
            byte = self._byte()
            number |= (byte & 0x7F) << 7 * at
            if not byte & 0x80:
                return number
        raise damaged()

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, size: int) -> bytes:
        if size > self._end - self.at:
            raise damaged()
        self.at += size
        return self._body[self.at - size : self.at]


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


def damaged() -> InvalidBody:
    """What is said of all of it: which byte is wrong helps nobody."""
    return InvalidBody("The body is no Parquet file, or is damaged.")
