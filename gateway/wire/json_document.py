"""Strict JSON, parsed once, and read straight into a Batch.

A matrix of numbers reaches numpy without Python lists in between: 10,000 rows of 30 numbers of 17
digits take 8 ms, of which the parse is 7, where orjson and numpy take 45. Anything else is read
value by value, to say exactly what is wrong with it.
"""

import json
import re
from collections.abc import Callable, Collection
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import simdjson

from gateway.errors import BadRequest, DuplicateKey, InvalidJson, JsonTooDeep, JsonTooLarge
from gateway.wire.columns import batch_from_columns, refuse_not_columns
from gateway.wire.counting import count_byte
from gateway.wire.fault_list import FaultList
from gateway.wire.rows import batch_from_lists, batch_from_records, refuse_too_many_rows
from model import Batch, Contract

# Possessive: remembering where to go back to would take 1.3 GB for a string of 10 MB.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_DEEPER_AT = np.zeros(256, dtype=np.int8)
_DEEPER_AT[[ord("["), ord("{")]] = 1
_DEEPER_AT[[ord("]"), ord("}")]] = -1
# Far more than any model has features. Names take a hundred times the room of numbers here.
MOST_MEMBERS = 100_000
# What one value means, where a protocol writes some values in a way of its own.
ReadValue = Callable[[Any], Any]

# A parser keeps memory in proportion to the largest body it saw: not to be kept beyond this.
_REUSE_BELOW_BYTES = 8 * 1024 * 1024


class _ParserInUse(Exception):
    """What this parser parsed last still has readers."""


class JsonParser:
    """Parses bodies within the caps. One per worker: it reuses its memory between requests."""

    def __init__(self, *, max_depth: int, max_elements: int) -> None:
        self._max_depth = max_depth
        self.max_elements = max_elements
        self._parser: Any = simdjson.Parser()

    def parse(
        self, body: bytes, *, max_rows: int | None = None, faults: FaultList | None = None
    ) -> "JsonDocument":
        """Parse a body in UTF-8.

        Args:
            max_rows: more rows than these are refused before the first is read.
            faults: where to note what is wrong with the rows.

        Raises:
            InvalidJson: NaN, Infinity, a byte order mark, lone surrogates, integers beyond 64
                bits, or no JSON at all; says where.
            JsonTooDeep, JsonTooLarge: beyond the caps.
        """
        if body.startswith(b"\xef\xbb\xbf"):
            raise InvalidJson("The body begins with a byte order mark: send UTF-8 without one.")
        # Each value takes two bytes: most bodies are too short to be counted.
        if len(body) >= 2 * self.max_elements and count_byte(body, b",") >= self.max_elements:
            raise JsonTooLarge(f"A JSON body may have {self.max_elements} values.")
        return JsonDocument(body, self._parse(body), self._max_depth, max_rows, faults=faults)

    def _parse(self, body: bytes) -> Any:
        if len(body) > _REUSE_BELOW_BYTES:
            return self._parse_with(simdjson.Parser(), body)
        try:
            return self._parse_with(self._parser, body)
        except _ParserInUse:
            # A document of an earlier request is still held, by a traceback for instance.
            self._parser = simdjson.Parser()
            return self._parse_with(self._parser, body)

    def _parse_with(self, parser: Any, body: bytes) -> Any:
        try:
            return parser.parse(body)
        except (ValueError, RuntimeError) as exc:
            if str(exc).startswith("Tried to re-use a parser"):
                raise _ParserInUse from exc
            raise _refusal(body, exc, self._max_depth) from exc


class JsonDocument:
    """A parsed body. Parts of it are addressed by the name of a member; None is all of it."""

    def __init__(  # noqa: PLR0913, PLR0917  # What it was parsed from, and how it is to be read.
        self,
        body: bytes,
        root: Any,
        max_depth: int,
        max_rows: int | None,
        arrays_beside: int = 0,
        faults: FaultList | None = None,
    ) -> None:
        self._body = body
        self._root = root
        self._max_depth = max_depth
        self._max_rows = max_rows
        self._arrays_beside = arrays_beside
        self._faults = faults

    def part(self, member: str, *, arrays_beside: int = 0) -> "JsonDocument":
        """A member as a document of its own.

        Args:
            arrays_beside: how many arrays the body has outside of the rows that will be read.
        """
        root = self._root[member]
        return JsonDocument(
            self._body, root, self._max_depth, self._max_rows, arrays_beside, self._faults
        )

    def member_names(self) -> list[str] | None:
        """The members of the outermost object; None where it is an array or a scalar.

        Raises: DuplicateKey, JsonTooLarge.
        """
        if not isinstance(self._root, simdjson.Object):
            return None
        names = _names(self._root)
        if len(set(names)) < len(names):
            raise DuplicateKey("A member of the outermost object occurs twice.")
        return names

    def kind_of_rows(self, member: str | None) -> str:
        """What the first row of a member is: array, object or value; empty where there is none."""
        rows = self._member(member)
        if not isinstance(rows, simdjson.Array) or not len(rows):
            return ""
        first = rows[0]
        if isinstance(first, simdjson.Array):
            return "array"
        return "object" if isinstance(first, simdjson.Object) else "value"

    def is_object(self, member: str | None) -> bool:
        return isinstance(self._member(member), simdjson.Object)

    def count_arrays(self, names: Collection[str]) -> int:
        """How many of these members, where they are there, are arrays."""
        members = self._root.items() if isinstance(self._root, simdjson.Object) else ()
        return sum(name in names and isinstance(value, simdjson.Array) for name, value in members)

    def scalars(self, member: str) -> list[Any]:
        """A member that is an array of texts and numbers. Raises: BadRequest."""
        found = self._root[member]
        values = list(found) if isinstance(found, simdjson.Array) else [None]
        if not all(isinstance(value, (str, int, float)) for value in values):
            raise BadRequest(f"{member} is not an array of texts or of numbers.")
        return values

    def refuse_too_many_rows(self, member: str, contract: Contract) -> None:
        """Raises: InvalidInput (the model's), where one call may not have so many."""
        self._refuse_too_many(self._root[member], contract)

    def matrix(
        self, member: str | None, contract: Contract, read: ReadValue | None = None
    ) -> Batch:
        """Rows as arrays of numbers, in the order of the contract's features."""
        rows = self._rows(member, contract)
        values = self._numbers(rows, len(contract.features)) if contract.dense else None
        if values is not None:
            return Batch(values)
        self._refuse_depth()
        return batch_from_lists(_read_in_lists(_plain(rows), read), contract, self._faults)

    def numbers(self, member: str | None, width: int) -> npt.NDArray[np.float64] | None:
        """Rows of so many numbers each, shape (n, width); None where these are not such rows."""
        return self._numbers(self._member(member), width)

    def vector(self, member: str) -> npt.NDArray[np.float64] | None:
        """The numbers of one flat array; None where it is not such a one."""
        values = self._root[member]
        if not isinstance(values, simdjson.Array):
            return None
        if self._body.count(b"[") != 1 + self._arrays_beside:
            # The buffer flattens: only one by one can be told what is in it.
            self._refuse_depth()
            cells = values.as_list()
            if not set(map(type, cells)) <= {int, float}:
                return None
            return np.array(cells, dtype=np.float64)
        if not len(values):
            return np.empty(0)
        try:
            return np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64)
        except TypeError:
            return None

    def records(
        self, member: str | None, contract: Contract, read: ReadValue | None = None
    ) -> Batch:
        """Rows as objects with a member for each feature."""
        self._refuse_depth()
        rows = self._rows(member, contract)
        if isinstance(rows, simdjson.Array) and len(rows):
            pairs = map(partial(_pairs, read=read), rows)
            return batch_from_records(pairs, contract, self._faults)
        return batch_from_records(_plain(rows), contract, self._faults)

    def values(self, member: str | None, contract: Contract) -> Any:
        """A member as plain Python, within the caps of depth and rows."""
        self._refuse_depth()
        return _plain(self._rows(member, contract))

    @property
    def row_count(self) -> int | None:
        """How many rows the outermost array has; None where there is none."""
        return len(self._root) if isinstance(self._root, simdjson.Array) else None

    def root(self) -> Any:
        """The parsed document itself, within the cap of depth, for readers of other shapes."""
        self._refuse_depth()
        return self._root

    def columns(self, member: str, contract: Contract, read: ReadValue | None = None) -> Batch:
        """An object with an array of values for each feature."""
        self._refuse_depth()
        found = self._root[member]
        if not isinstance(found, simdjson.Object):
            refuse_not_columns(_plain(found))
        names = _names(found)
        fast = self._numbers_in(found, contract)
        known = contract.feature_name_set.intersection(names)
        # Looked up one by one: to walk over the members makes Python lists of all of them.
        columns = {
            name: self._column(_member(found, name), contract, read, numbers=name in fast)
            for name in known
        }
        return batch_from_columns(names, columns, contract, self._faults)

    def has(self, member: str) -> bool:
        """Whether a member that is there is other than null."""
        return self._root[member] is not None

    def aside(self, member: str, max_bytes: int | None = None) -> Any:
        """A member beside the rows as plain Python; of the body, only its own depth is checked.

        Args:
            max_bytes: what it may be long, written without blanks.
        Raises: JsonTooDeep; JsonTooLarge, where it is longer.
        """
        found = self._root[member]
        if isinstance(found, (simdjson.Array, simdjson.Object)):
            # Bytes, whatever the stubs of simdjson say.
            text: Any = found.mini
            if max_bytes is not None and len(text) > max_bytes:
                raise JsonTooLarge(f"{member} may be {max_bytes} bytes long.")
            _refuse_depth(text, self._max_depth - 1)
        return _plain(found)

    def value(self, member: str) -> Any:
        """As `aside`, for what a model is given. Raises: DuplicateKey, at any depth."""
        value = self.aside(member)
        if isinstance(value, (list, dict)):
            # The only parser here that tells all members of an object in linear time.
            json.loads(self._root[member].mini, object_pairs_hook=_refuse_repetition)
        return value

    def refuse(self) -> None:
        """Check the caps of a document that nothing will read."""
        self._refuse_depth()

    def _rows(self, member: str | None, contract: Contract) -> Any:
        rows = self._member(member)
        self._refuse_too_many(rows, contract)
        return rows

    def _member(self, member: str | None) -> Any:
        return self._root if member is None else self._root[member]

    def _refuse_too_many(self, rows: Any, contract: Contract) -> None:
        if isinstance(rows, simdjson.Array):
            for cap in (self._max_rows, contract.limits.max_rows):
                if cap is not None:
                    refuse_too_many_rows(len(rows), cap)

    def _numbers_in(self, columns: Any, contract: Contract) -> frozenset[str]:
        """The features whose numbers reach numpy without Python lists in between."""
        if count_byte(self._body, b"[") != len(columns) + self._arrays_beside:
            # An array inside a column would be flattened.
            return frozenset()
        return frozenset(f.name for f in contract.features if f.datatype == "FP64")

    def _column(
        self, values: Any, contract: Contract, read: ReadValue | None, *, numbers: bool
    ) -> Any:
        self._refuse_too_many(values, contract)
        if numbers and isinstance(values, simdjson.Array) and len(values):
            try:
                return np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64)
            except TypeError:
                return _read_all(values.as_list(), read)
        return _read_all(_plain(values), read)

    def _numbers(self, rows: Any, width: int) -> npt.NDArray[np.float64] | None:
        """The fast path: None unless these are rows of numbers, all of the right length."""
        if not isinstance(rows, simdjson.Array) or not len(rows):
            return None
        try:
            values = np.frombuffer(rows.as_buffer(of_type="d"), dtype=np.float64)
        except TypeError:
            return None
        # The buffer flattens: rows of other lengths, or nested deeper, could add up the same.
        arrays = len(rows) + 1 + self._arrays_beside
        if len(values) != len(rows) * width or count_byte(self._body, b"[") != arrays:
            return None
        try:
            if set(map(len, rows)) != {width}:  # type: ignore[arg-type]  # numbers raise
                return None
        except TypeError:
            # A number stands among the rows.
            return None
        return values.reshape(len(rows), width)

    def _refuse_depth(self) -> None:
        _refuse_depth(self._body, self._max_depth)


def _names(found: Any) -> list[str]:
    """Raises: JsonTooLarge."""
    _refuse_too_many_members(found)
    return list(found.keys())


def _refuse_too_many_members(found: Any) -> None:
    if len(found) > MOST_MEMBERS:
        raise JsonTooLarge(f"An object may have {MOST_MEMBERS} members.")


def _refuse_repetition(pairs: list[tuple[str, Any]]) -> None:
    """Two readers of {"a": 1, "a": 2} may see different values."""
    if len({name for name, _ in pairs}) < len(pairs):
        raise DuplicateKey("A member of an object occurs twice.")


def _refuse_depth(body: bytes, max_depth: int) -> None:
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return
    brackets = _STRING.sub(b"", body).translate(None, _NOT_BRACKETS)
    if not brackets:
        return
    depth = _DEEPER_AT[np.frombuffer(brackets, dtype=np.uint8)].cumsum(dtype=np.int32).max()
    if depth > max_depth:
        raise JsonTooDeep(f"A JSON body may be nested {max_depth} deep.")


def _refusal(body: bytes, exc: Exception, max_depth: int) -> Exception:
    if isinstance(exc, UnicodeDecodeError):
        return InvalidJson("The body is not valid UTF-8.")
    if str(exc).startswith("DEPTH_ERROR"):
        return JsonTooDeep(f"A JSON body may be nested {max_depth} deep.")
    if str(exc).startswith("BIGINT_ERROR"):
        return InvalidJson("The body holds an integer that does not fit in 64 bits.")
    try:
        # simdjson does not say where; this second parse happens on refusals only.
        orjson.loads(body)
    except orjson.JSONDecodeError as found:
        return InvalidJson(
            f"The body is not valid JSON at line {found.lineno}, column {found.colno}."
        )
    return InvalidJson("The body holds a number or a string that JSON does not allow.")


def _pairs(row: Any, read: ReadValue | None) -> tuple[tuple[str, Any], ...] | Any:
    if not isinstance(row, simdjson.Object):
        return _plain(row)
    _refuse_too_many_members(row)
    if read is None:
        return tuple((name, _plain(value)) for name, value in row.items())
    return tuple((name, read(_plain(value))) for name, value in row.items())


def _read_in_lists(rows: Any, read: ReadValue | None) -> Any:
    return [_read_all(row, read) for row in rows] if read and isinstance(rows, list) else rows


def _read_all(values: Any, read: ReadValue | None) -> Any:
    return [read(value) for value in values] if read and isinstance(values, list) else values


def _member(found: Any, name: str) -> Any:
    # simdjson looks a name up as far as its first NUL only.
    return found[name] if "\0" not in name else dict(found.items())[name]


def _plain(value: Any) -> Any:
    if isinstance(value, simdjson.Array):
        return value.as_list()
    if isinstance(value, simdjson.Object):
        return value.as_dict()
    return value
