"""What the first load of a model is told, and what it leaves, as files in its folder."""

import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.contents import Contents
from model.contract import Contract
from model.engines.record import FILES, EngineChoice, EngineRecord, EngineWish
from model.errors import ArtifactRejected
from model.folders import files_below, write_durably

RESULT_FILE = "result.json"

_ORDER_FILE, _ENGINES_FILE, _SAMPLES_FILE, _FILES_FOLDER = (
    *("order.json", "engines.json"),
    *("samples", "files"),
)
_MOST_RESULT_BYTES = 256 << 20
_MOST_COMPILED_BYTES = 2 << 30


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be loaded."""

    contents: Contents
    name: str
    version: str
    trusted: Collection[str]
    wish: EngineWish | None


def write_order(  # noqa: PLR0913, PLR0917  # As they are given.
    folder: Path,
    contents: Contents,
    name: str,
    version: str,
    trusted: Collection[str],
    wish: EngineWish | None,
) -> None:
    """Put into the folder what `read_order` reads in the child."""
    order = {
        "artifact": contents.artifact,
        "name": name,
        "version": version,
        "trusted": list(trusted),
        "wish": None if wish is None else [wish.engine, wish.sample_file],
    }
    files = {f"{_FILES_FOLDER}/{path}": data for path, data in contents.files.items()}
    samples = b"" if wish is None else wish.samples
    write_durably(
        folder, {**files, _ORDER_FILE: json.dumps(order).encode(), _SAMPLES_FILE: samples}
    )


def read_order(folder: Path) -> Order:
    """What `write_order` put into the folder."""
    order = json.loads((folder / _ORDER_FILE).read_bytes())
    source = folder / _FILES_FOLDER
    files = {path: (source / path).read_bytes() for path in files_below(source)}
    wish = order["wish"]
    if wish is not None:
        engine, sample_file = wish
        wish = EngineWish(engine, sample_file, (folder / _SAMPLES_FILE).read_bytes())
    contents = Contents(order["artifact"], files)
    return Order(contents, order["name"], order["version"], order["trusted"], wish)


def write_result(folder: Path, contract: Contract, golden: Mapping[str, list[Any]]) -> None:
    """In one step: where there is a result, it is whole."""
    result = {"contract": contract.to_json(), "golden": golden}
    unfinished = folder / f"{RESULT_FILE}.unfinished"
    unfinished.write_text(json.dumps(result, allow_nan=False))
    unfinished.rename(folder / RESULT_FILE)


def write_engines(folder: Path, choice: EngineChoice) -> None:
    """Leave the compiled forms, then what is said of them."""
    for path, data in choice.files.items():
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / _ENGINES_FILE).write_text(json.dumps(choice.record.to_json(), allow_nan=False))


def read_result(folder: Path) -> tuple[Contract, Mapping[str, list[Any]]]:
    """The contract, and the answer to its example. Raises: ArtifactRejected."""
    document = _json(folder / RESULT_FILE)
    try:
        return Contract.from_json(document["contract"]), dict(document["golden"])
    except (KeyError, TypeError, ValueError) as exc:
        raise ArtifactRejected("Loading the model ended without a result.") from exc


def read_engines(folder: Path) -> EngineChoice:
    """Raises: ArtifactRejected."""
    record = EngineRecord.from_json(_json(folder / _ENGINES_FILE))
    paths = [FILES[name] for name in record.engines if name in FILES]
    return EngineChoice(
        record, {path: _bytes(folder / path, _MOST_COMPILED_BYTES) for path in paths}
    )


def _json(path: Path) -> Any:
    try:
        return json.loads(_bytes(path, _MOST_RESULT_BYTES))
    except ValueError as exc:
        raise ArtifactRejected("Loading the model ended without a result.") from exc


def _bytes(path: Path, most: int) -> bytes:
    # The child may have turned hostile: what it left is only data, of a bounded size.
    try:
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
            descriptor = os.open(path.name, flags, dir_fd=folder)
        finally:
            os.close(folder)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(most)
    except OSError as exc:
        raise ArtifactRejected("Loading the model ended without a result.") from exc
