"""What a Parquet file promises, looked at before pyarrow sees it.

The footer says how large each column is, and so does each page; the reader believes the pages. So
their sizes are added up first, from the same bytes. And pyarrow ends the process when it is asked
about some broken footers: they are read here. Source: parquet.thrift.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gateway.errors import BodyTooLarge, InvalidBody
from gateway.wire.formats.thrift import ThriftReader, damaged

_MAGIC = b"PAR1"
_MOST_FOOTER_BYTES = 1 << 20
_MOST_PAGES = 20_000
# Every encoding but DELTA_BYTE_ARRAY, in which each text may repeat all of the one before it.
_ENCODINGS = frozenset({0, 2, 3, 4, 5, 6, 8, 9})

# Members of FileMetaData, RowGroup, ColumnChunk and ColumnMetaData.
_FILE_ROWS, _ROW_GROUPS = 3, 4
_CHUNKS, _GROUP_ROWS = 1, 3
_OTHER_FILE, _CHUNK_METADATA = 1, 3
_PATH, _PACKED_BYTES, _DATA_AT, _DICTIONARY_AT = 3, 7, 9, 11
# Members of PageHeader, and of the header of each kind of page.
_UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_V2 = 2, 3, 5, 7, 8
_VALUES, _ENCODING, _ENCODING_V2 = 1, 2, 4


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """Where the pages of one column of one row group are."""

    path: str
    start: int
    end: int
    row_count: int


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of a file says of the rest."""

    row_count: int
    chunks: tuple[ColumnChunk, ...]


def read_footer(body: bytes) -> Footer:
    """Raises: InvalidBody."""
    length = int.from_bytes(body[-8:-4], "little")
    end = len(body) - 8
    if body[:4] != _MAGIC or body[-4:] != _MAGIC or not 0 < length <= end - 4:
        raise damaged()
    if length > _MOST_FOOTER_BYTES:
        raise InvalidBody(f"A Parquet footer may have {_MOST_FOOTER_BYTES} bytes.")
    metadata = ThriftReader(body, end - length, end).structure()
    groups = [(_size(group, _GROUP_ROWS), group) for group in _structures(metadata, _ROW_GROUPS)]
    row_count = sum(rows for rows, _ in groups)
    if row_count != _size(metadata, _FILE_ROWS):
        raise damaged()
    if not row_count:
        # Then no page is read, and some writers leave out where they would be.
        return Footer(0, ())
    chunks = [
        _chunk(chunk, rows, end - length)
        for rows, group in groups
        for chunk in _structures(group, _CHUNKS)
    ]
    return Footer(row_count, tuple(chunks))


def refuse_large_pages(body: bytes, footer: Footer, max_bytes: int) -> None:
    """Add up what the pages of every column unpack to.

    Raises: InvalidBody, BodyTooLarge.
    """
    left = max_bytes
    for number, unpacked in enumerate(_page_sizes(body, footer)):
        left -= unpacked
        if left < 0 or number > _MOST_PAGES:
            raise BodyTooLarge(f"The columns may have {max_bytes} bytes in all.")


def _chunk(chunk: Any, row_count: int, most: int) -> ColumnChunk:
    metadata = chunk.get(_CHUNK_METADATA)
    if not isinstance(metadata, dict) or _OTHER_FILE in chunk:
        raise damaged()
    start = _size(metadata, _DATA_AT)
    if metadata.get(_DICTIONARY_AT):
        start = min(start, _size(metadata, _DICTIONARY_AT))
    end = start + _size(metadata, _PACKED_BYTES)
    if not len(_MAGIC) <= start <= end <= most:
        raise damaged()
    names = metadata.get(_PATH)
    if not isinstance(names, list) or not all(isinstance(name, bytes) for name in names):
        raise damaged()
    return ColumnChunk(b".".join(names).decode(errors="replace"), start, end, row_count)


def _page_sizes(body: bytes, footer: Footer) -> Iterator[int]:
    for chunk in footer.chunks:
        reader = ThriftReader(body, chunk.start, chunk.end)
        while reader.at < chunk.end:
            header = reader.structure()
            packed, unpacked = _size(header, _PACKED), _size(header, _UNPACKED)
            if packed > chunk.end - reader.at:
                raise damaged()
            # Each entry of a dictionary takes at least a byte of its page.
            _check_page(header, _DICTIONARY, _ENCODING, unpacked)
            _check_page(header, _DATA, _ENCODING, chunk.row_count)
            _check_page(header, _DATA_V2, _ENCODING_V2, chunk.row_count)
            reader.at += packed
            yield unpacked


def _check_page(header: dict[int, Any], kind: int, encoding: int, most_values: int) -> None:
    page = header.get(kind)
    if page is None:
        return
    if not isinstance(page, dict) or not 0 <= _size(page, _VALUES) <= most_values:
        raise damaged()
    if _size(page, encoding) not in _ENCODINGS:
        raise InvalidBody("A Parquet column has an encoding that is not read here.")


def _structures(structure: dict[int, Any], member: int) -> list[dict[int, Any]]:
    found = structure.get(member)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise damaged()
    return found


def _size(structure: dict[int, Any], member: int) -> int:
    size = structure.get(member)
    if not isinstance(size, int) or size < 0:
        raise damaged()
    return size
