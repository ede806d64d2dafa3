"""What a contract says of a body and JSON Schema cannot: made true of every body meant to be good.

Loaded by schemathesis (`hooks` in its configuration), not by pytest.
"""

from collections.abc import Mapping, MutableMapping
from typing import Any

import schemathesis

_DESCRIBED = {
    "application/json",
    "text/csv",
    "application/x-www-form-urlencoded",
    "multipart/form-data",
}


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Columns of one length, one truth for each row, CSV that is CSV, credentials once."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.media_type == "text/csv":
        case.body = _example(case) or case.body
    elif isinstance(case.body, MutableMapping):
        _equalize(case.body)
        if case.path.startswith("/oauth/"):
            # They are in the Authorization header already.
            case.body.pop("client_id", None)
            case.body.pop("client_secret", None)


def _example(case: Any) -> str | None:
    content = case.operation.definition.raw["requestBody"]["content"]["text/csv"]
    example: str | None = content.get("examples", {}).get("rows", {}).get("value")
    return example


def _equalize(body: MutableMapping[str, Any]) -> None:
    for name in ("columns", "inputs"):
        columns = body.get(name)
        if isinstance(columns, Mapping) and columns:
            count = min(map(len, columns.values()))
            body[name] = {feature: values[:count] for feature, values in columns.items()}
    if isinstance(body.get("truth"), list):
        kinds = {type(entry) for entry in body["truth"]}
        entry = body["truth"][0] if len(kinds) == 1 and list not in kinds else 1
        body["truth"] = [entry] * _row_count(body)


def _row_count(body: Mapping[str, Any]) -> int:
    if "columns" in body:
        return len(next(iter(body["columns"].values())))
    return len(body.get("data", body.get("rows", ())))


@schemathesis.hook
def filter_case(_context: Any, case: Any) -> bool:
    """No good body of a format whose bytes no schema describes can be made here."""
    is_good = case.meta is None or case.meta.generation.mode.is_positive
    return not is_good or case.media_type is None or case.media_type in _DESCRIBED
