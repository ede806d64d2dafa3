"""Rows of a file, as `--probe` gives one, for a contract."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from model.batch import Batch
from model.contract import Contract
from model.errors import ArtifactRejected, InvalidInput
from model.signature import Feature

_MOST_ROWS = 10_000
_TRUE, _FALSE = frozenset({"true", "1", "yes"}), frozenset({"false", "0", "no"})


def read_samples(filename: str, data: bytes, contract: Contract) -> Batch:
    """The first rows of a CSV or JSON file that keep the contract.

    CSV has a line of names; columns that the model does not take are passed over. JSON has one of
    the shapes of a request.

    Raises:
        ArtifactRejected: it has no such row; the reason names the first fault.
    """
    read = _READERS.get(filename.lower().rpartition(".")[2])
    if read is None:
        raise ArtifactRejected(f"{filename} is neither .csv nor .json.")
    try:
        rows = read(data.decode("utf-8-sig"), contract)[:_MOST_ROWS]
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, RecursionError) as exc:
        detail = f"it has no column {exc.args[0]!r}" if isinstance(exc, KeyError) else "no rows"
        raise ArtifactRejected(
            f"{filename} cannot be read as rows of the model: {detail}."
        ) from exc
    return _kept(filename, rows, contract)


def _kept(filename: str, rows: Sequence[Sequence[Any]], contract: Contract) -> Batch:
    """Callers' rows are held to the contract, so the model never sees others."""
    kept, fault = [], None
    for row in rows:
        try:
            contract.check(contract.batch_from_rows([row]))
            kept.append(row)
        except InvalidInput as exc:
            fault = fault or exc.faults[0]
    if kept:
        return contract.batch_from_rows(kept)
    found = "" if fault is None else f"; in the first, {fault.feature} is {fault.found}"
    raise ArtifactRejected(f"No row of {filename} keeps the model's contract{found}.")


def _csv(text: str, contract: Contract) -> list[list[Any]]:
    rows = csv.DictReader(io.StringIO(text))
    return [[_cell(feature, row[feature.name]) for feature in contract.features] for row in rows]


def _cell(feature: Feature, text: str) -> Any:
    """What cannot be read stays as it is, for the contract to refuse."""
    if text == "":
        return None
    if feature.datatype == "BOOL":
        word = text.strip().lower()
        return word in _TRUE if word in _TRUE | _FALSE else text
    try:
        number = {"FP64": float, "INT64": int}.get(feature.datatype, str)(text)
    except ValueError:
        return text
    return None if isinstance(number, float) and math.isnan(number) else number


def _json(text: str, contract: Contract) -> list[list[Any]]:
    document = json.loads(text)
    if isinstance(document, Mapping):
        [(kind, document)] = document.items()
        if kind == "columns":
            columns = [document[name] for name in contract.feature_names]
            document = [list(row) for row in zip(*columns, strict=True)]
    return [_json_row(row, contract) for row in document]


def _json_row(row: Any, contract: Contract) -> list[Any]:
    cells = [row[name] for name in contract.feature_names] if isinstance(row, Mapping) else row
    return [
        float(cell) if type(cell) is int and feature.datatype == "FP64" else cell
        for feature, cell in zip(contract.features, cells, strict=True)
    ]


_READERS = {"csv": _csv, "json": _json}
