"""The body of the request in hand into a batch, and a prediction into the type it accepts."""

from collections.abc import Mapping

from gateway.dialects import native
from gateway.dialects.endpoint import Reply
from gateway.errors import EmptyBody
from gateway.request_context import context
from gateway.wire.body import BodyCaps, read_any_body
from gateway.wire.fault_list import FaultList
from gateway.wire.formats import FORMATS
from gateway.wire.formats.format import Format, Reading
from gateway.wire.json_document import JsonDocument, JsonParser
from gateway.wire.row_sieve import RowSieve
from gateway.wire.table import Refusals, Table
from model import Batch, Contract, Prediction, SiftedRows


class Exchange:
    """Bytes in and out, within the caps. One per worker."""

    def __init__(self, parser: JsonParser, caps: BodyCaps) -> None:
        self._parser = parser
        self._caps = caps

    def body(self) -> bytes:
        """As `Call.body`."""
        current = context()
        current.enter("decode")
        return read_any_body(current.request.environ, self._caps, current.remaining_s)

    def parse_json(self, body: bytes) -> JsonDocument:
        """As `Call.parse_json`."""
        return self._parser.parse(body, max_rows=_max_rows())

    def batch(self, contract: Contract) -> Batch:
        """As `Call.batch`."""
        return self._batch(contract)

    def rows(self, contract: Contract) -> SiftedRows:
        """The rows in the body that keep the contract, and what is wrong with the others.

        Raises: as `Call.batch`, where what is wrong concerns no single row.
        """
        sieve = RowSieve()
        return sieve.sifted(self._batch(contract, sieve), contract)

    def _batch(self, contract: Contract, faults: FaultList | None = None) -> Batch:
        # What cannot be answered is refused before the call is charged.
        _answer_format()
        content_type = context().request.environ.get("CONTENT_TYPE", "")
        known, parameters = FORMATS.for_body(content_type)
        body = self.body()
        if not body:
            raise EmptyBody
        return self._read(known, body, contract, parameters, faults)

    def read(
        self, known: Format, body: bytes, contract: Contract, parameters: Mapping[str, str]
    ) -> Batch:
        """As `Call.read`."""
        return self._read(known, body, contract, parameters)

    def _read(
        self,
        known: Format,
        body: bytes,
        contract: Contract,
        parameters: Mapping[str, str],
        faults: FaultList | None = None,
    ) -> Batch:
        reading = Reading(
            contract,
            self._parser,
            max_rows=_max_rows(),
            max_bytes=self._caps.inflation.max_bytes,
            parameters=parameters,
            faults=faults,
        )
        return known.decode(body, reading)

    def reply(
        self, prediction: Prediction, contract: Contract, refusals: Refusals | None = None
    ) -> Reply:
        """As `Call.reply`."""
        return self.write(native.table(prediction, contract, refusals))

    def write(self, table: Table) -> Reply:
        """As `Call.write`."""
        known, parameters = _answer_format()
        body = known.encode(table, parameters)
        return Reply(body, known.content_type, headers=_about(known, table))


def _about(known: Format, table: Table) -> dict[str, str]:
    """What answered, in header fields where the body has no place for it."""
    if known.has_members:
        return {}
    return {f"Gateway-{name.title()}": str(value) for name, value in table.about.items()}


def _answer_format() -> tuple[Format, Mapping[str, str]]:
    return FORMATS.for_answer(context().request.environ.get("HTTP_ACCEPT", ""))


def _max_rows() -> int | None:
    return context().caller.plan.max_rows_per_call
