"""What the pages of a Parquet file promise, looked at before one is unpacked.

The footer says how large each column is, and so does each page; the reader believes the pages. So
their sizes are added up first, from the same bytes. Source: parquet.thrift, PageHeader; the compact
protocol of Thrift.
"""

from collections.abc import Mapping
from typing import Any

from gateway.errors import BodyTooLarge, InvalidBody

_MOST_COLUMN_CHUNKS = 10_000
_MOST_PAGES = 20_000
_MOST_DEPTH = 8
# Every encoding but DELTA_BYTE_ARRAY, in which each text may repeat all of the one before it.
_ENCODINGS = frozenset({0, 2, 3, 4, 5, 6, 8, 9})
_STOP, _TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 0, 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = frozenset({4, 5, 6})
# Members of PageHeader, and of the header of each kind of page.
_UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4


def refuse_large_pages(body: bytes, metadata: Any, max_bytes: int) -> None:
    """Add up what the pages of every column unpack to.

    Args:
        metadata: pyarrow's, of the same bytes.

    Raises: InvalidBody, BodyTooLarge.
    """
    if metadata.num_row_groups * metadata.num_columns > _MOST_COLUMN_CHUNKS:
        raise InvalidBody(f"A Parquet file may have {_MOST_COLUMN_CHUNKS} column chunks.")
    left, pages = max_bytes, 0
    for group_at in range(metadata.num_row_groups):
        group = metadata.row_group(group_at)
        for column_at in range(metadata.num_columns):
            headers = _Pages(body, group.column(column_at), group.num_rows)
            for unpacked in headers.sizes():
                left -= unpacked
                pages += 1
                if left < 0 or pages > _MOST_PAGES:
                    raise BodyTooLarge(f"The columns may have {max_bytes} bytes in all.")


class _Pages:
    """The headers of the pages of one column chunk."""

    def __init__(self, body: bytes, chunk: Any, row_count: int) -> None:
        starts: list[int] = [chunk.data_page_offset]
        if chunk.has_dictionary_page and chunk.dictionary_page_offset:
            starts.append(chunk.dictionary_page_offset)
        self._body = body
        self._at = min(starts)
        self._end: int = self._at + chunk.total_compressed_size
        self._row_count = row_count
        if not 0 < self._at <= self._end <= len(body):
            raise _broken()

    def sizes(self) -> Any:
        """What each page unpacks to."""
        while self._at < self._end:
            header = self._struct(0)
            packed, unpacked = header.get(_PACKED), header.get(_UNPACKED)
            if not isinstance(packed, int) or not isinstance(unpacked, int):
                raise _broken()
            if packed < 0 or unpacked < 0 or packed > self._end - self._at:
                raise _broken()
            self._check(header, unpacked)
            self._at += packed
            yield unpacked

    def _check(self, header: Mapping[int, Any], unpacked: int) -> None:
        dictionary = header.get(_DICTIONARY)
        if dictionary is not None:
            # Each entry takes at least a byte of the page.
            self._require(dictionary, _ENCODING, unpacked)
        if header.get(_DATA) is not None:
            self._require(header[_DATA], _ENCODING, self._row_count)
        if header.get(_DATA_V2) is not None:
            self._require(header[_DATA_V2], _ENCODING_V2, self._row_count)

    @staticmethod
    def _require(page: Any, encoding: int, most_values: int) -> None:
        if not isinstance(page, dict) or page.get(encoding) not in _ENCODINGS:
            raise InvalidBody("A Parquet column has an encoding that is not read here.")
        if not 0 <= page.get(_VALUES, -1) <= most_values:
            raise _broken()

    def _struct(self, depth: int) -> dict[int, Any]:
        if depth > _MOST_DEPTH:
            raise _broken()
        found: dict[int, Any] = {}
        number = 0
        while (head := self._byte()) != _STOP:
            kind, step = head & 0x0F, head >> 4
            number = number + step if step else _signed(self._varint())
            found[number] = self._value(kind, depth)
        return found

    def _value(self, kind: int, depth: int) -> Any:  # noqa: PLR0911  # One line for each kind.
        if kind in _INTEGERS:
            return _signed(self._varint())
        if kind in {_TRUE, _FALSE}:
            return kind == _TRUE
        if kind == _BYTE:
            return self._byte()
        if kind == _DOUBLE:
            return self._skip(8)
        if kind == _BINARY:
            return self._skip(self._varint())
        if kind in {_LIST, _SET}:
            return self._list(depth)
        if kind == _STRUCT:
            return self._struct(depth + 1)
        raise _broken()

    def _list(self, depth: int) -> None:
        head = self._byte()
        kind, size = head & 0x0F, head >> 4
        size = self._varint() if size == 15 else size
        for _ in range(size):
            # Booleans in a list take a byte each.
            self._byte() if kind in {_TRUE, _FALSE} else self._value(kind, depth + 1)

    def _varint(self) -> int:
        number = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            number |= (byte & 0x7F) << shift
            if not byte & 0x80:
                return number
        raise _broken()

    def _byte(self) -> int:
        if self._at >= self._end:
            raise _broken()
        self._at += 1
        byte: int = self._body[self._at - 1]
        return byte

    def _skip(self, size: int) -> None:
        if size > self._end - self._at:
            raise _broken()
        self._at += size


def _signed(number: int) -> int:
    return (number >> 1) ^ -(number & 1)


def _broken() -> InvalidBody:
    return InvalidBody("The pages of a Parquet column are damaged.")
