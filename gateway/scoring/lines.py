"""The lines of a text file, each bounded, and always knowing where it is."""

from collections.abc import Iterator
from pathlib import Path

from gateway.scoring.errors import ScoringFailed
from gateway.scoring.rows import Position

# A file without line ends would be read into memory whole.
_LONGEST_BYTES = 4 * 1024 * 1024
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Lines(Iterator[str]):
    """Lines with their ends, in UTF-8 with or without a byte order mark.

    Raises ScoringFailed, naming the line, where one is too long or not UTF-8.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self._file = path.open("rb")
        self.line = 0
        self.offset = 0

    def __next__(self) -> str:
        raw = self._file.readline(_LONGEST_BYTES)
        if not raw:
            raise StopIteration
        self._count(raw)
        if self.line == 1:
            raw = raw.removeprefix(_BYTE_ORDER_MARK)
        return self.decoded(raw)

    def block(self, count: int) -> list[bytes]:
        """The next so many lines, or fewer at the end, as bytes."""
        lines = []
        for _ in range(count):
            raw = self._file.readline(_LONGEST_BYTES)
            if not raw:
                break
            lines.append(raw)
            self._count(raw)
        return lines

    def decoded(self, raw: bytes) -> str:
        try:
            return raw.decode()
        except UnicodeDecodeError as exc:
            raise ScoringFailed(
                f"{self.path}, line {self.line}: not UTF-8. Convert the file first:"
                f" iconv -f ISO-8859-1 -t UTF-8 {self.path}"
            ) from exc

    def seek(self, position: Position) -> None:
        self._file.seek(position.offset)
        self.line, self.offset = position.line, position.offset

    def close(self) -> None:
        self._file.close()

    def _count(self, raw: bytes) -> None:
        self.line += 1
        self.offset += len(raw)
        if len(raw) == _LONGEST_BYTES and not raw.endswith(b"\n"):
            raise ScoringFailed(
                f"{self.path}, line {self.line} is longer than {_LONGEST_BYTES} bytes."
            )
