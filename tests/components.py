"""Model classes of `seldon_classes/`, or of a test's own text, as models."""

from pathlib import Path
from typing import Any

from app_fixture import AppFixture, add_folder

from model import Batch
from model.component import ComponentModel
from model.component.derivation import derive_component
from model.declaration import parse_declaration
from model.protocol import TaggedOutputs

CLASSES = Path(__file__).parent / "seldon_classes"

Files = dict[str, str | bytes]

# Enough for a class that says nothing of its features.
TWO_FEATURES = "\n[example]\nrows = [[1.0, 2.0]]\n"


def files_of(name: str) -> dict[str, bytes]:
    """The files of a class of `seldon_classes/`: its own, and the folder named like it."""
    folder = CLASSES / name.lower()
    beside = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    return {f"{name}.py": (CLASSES / f"{name}.py").read_bytes(), **beside}


def component(name: str, model_toml: str = "", files: Files | None = None) -> Any:
    """The model of a class, with an example of two features unless the toml has one.

    Args:
        files: by path; without any, those of `seldon_classes/`.
    """
    given = (files or {}).items()
    encoded = {path: data.encode() if isinstance(data, str) else data for path, data in given}
    if "[example]" not in model_toml and "[messages]" not in model_toml:
        model_toml += TWO_FEATURES
    declaration = parse_declaration(model_toml.encode())
    return derive_component(encoded or files_of(name), name, "example", "1", declaration)


def written(source: str, model_toml: str = "") -> Any:
    """The model of a `class Model` with this source."""
    return component("Model", model_toml, {"Model.py": source})


def answer(model: ComponentModel, rows: list[list[float]]) -> TaggedOutputs:
    return model.predict(Batch.from_rows(rows))


def talkative() -> Any:
    """A class that fails or refuses in the way that the first value of a call asks for."""
    return component("Talkative", "[example]\nrows = [[0.0, 0.0]]")


def serve_talkative(gateway: AppFixture) -> None:
    """Add that class as version 1 of the model `talkative`, and bring it into service."""
    source = gateway.control.settings.data_dir / "sources" / "talkative"
    source.mkdir(parents=True)
    for name, data in files_of("Talkative").items():
        (source / name).write_bytes(data)
    (source / "model.toml").write_text("[example]\nrows = [[0.0, 0.0]]\n")
    add_folder(gateway.control, "talkative", source)
    gateway.refresh()
