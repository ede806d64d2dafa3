"""What a format is: media types, and how bytes of it become a batch and a table its bytes."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gateway.errors import NotAcceptable, UnsupportedMediaType
from gateway.wire.fault_list import FaultList
from gateway.wire.json_document import JsonParser
from gateway.wire.rows import refuse_too_many_rows
from gateway.wire.table import Table
from model import Batch, Contract


@dataclass(frozen=True, slots=True)
class Reading:
    """What a body is read for.

    Attributes:
        parser: knows the caps of depth and of the number of values, which hold for every format.
        max_rows: more rows are refused before the first is read; None is no limit of the caller's.
        max_bytes: how much a body may hold once whatever it packs is unpacked.
        faults: where to note what is wrong with the rows, if not in a list of the reader's own.
        parameters: those of the Content-Type, their names in small letters.
    """

    contract: Contract
    parser: JsonParser
    max_rows: int | None = None
    max_bytes: int = 64 << 20
    parameters: Mapping[str, str] = field(default_factory=dict)
    faults: FaultList | None = None

    def refuse_too_many(self, row_count: int) -> None:
        """Raise InvalidInput where there are more rows than the plan or the model allows."""
        for cap in (self.max_rows, self.contract.limits.max_rows):
            if cap is not None:
                refuse_too_many_rows(row_count, cap)


Read = Callable[[bytes, Reading], Batch]
# The second argument are the parameters that the accepted type has.
Write = Callable[[Table, Mapping[str, str]], bytes | Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Format:
    """One format of rows.

    Args:
        name: short, as it stands in the log.
        media_types: what it is called; the first is what answers call it.
        read: a body, never empty, into a batch. Raises BadRequest and its kin where the bytes are
            not of this format, InvalidInput (the model's) where the rows do not keep the contract.
        write: a table into bytes, or into parts of them where there are many.
        answer_parameters: what answers add to the media type.
        has_members: whether an answer says more than its rows: which model gave it, for instance.
    """

    name: str
    media_types: tuple[str, ...]
    read: Read | None = None
    write: Write | None = None
    answer_parameters: str = ""
    has_members: bool = False

    @property
    def content_type(self) -> str:
        """What an answer of this format is called."""
        return self.media_types[0] + self.answer_parameters

    def decode(self, body: bytes, reading: Reading) -> Batch:
        """See `read`. Raises: UnsupportedMediaType, where bodies cannot be of this format."""
        if self.read is None:
            raise UnsupportedMediaType(f"No body can be {self.media_types[0]}.")
        return self.read(body, reading)

    def encode(self, table: Table, parameters: Mapping[str, str]) -> bytes | Iterable[bytes]:
        """See `write`. Raises: NotAcceptable, where answers cannot be of this format."""
        if self.write is None:
            raise NotAcceptable(f"No answer can be {self.media_types[0]}.")
        return self.write(table, parameters)
