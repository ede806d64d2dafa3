"""Where scored rows go, by the end of the file's name.

What is written grows in `OUTPUT.partial`, can be cut off at any place that `position` said, and
becomes OUTPUT when it is whole.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from gateway.scoring.contract import ModelContract
from gateway.scoring.errors import ScoringFailed
from gateway.scoring.inputs import Input, load
from gateway.scoring.rows import Column


class Output(Protocol):
    """An open partial file."""

    def write(self, columns: Mapping[str, Column]) -> None:
        """Add rows, by column."""

    def flush(self) -> int:
        """Hand everything to the disk; how many bytes there are now."""

    def finish(self) -> None:
        """Make it whole at its place, and remove the partial file."""

    def close(self) -> None:
        """Leave the partial file as it is."""


_MODULES = {
    ".csv": ("gateway.scoring.text_output", "open_csv"),
    ".tsv": ("gateway.scoring.text_output", "open_tsv"),
    ".ndjson": ("gateway.scoring.text_output", "open_ndjson"),
    ".jsonl": ("gateway.scoring.text_output", "open_ndjson"),
    ".parquet": ("gateway.scoring.arrow_output", "open_parquet"),
    ".arrow": ("gateway.scoring.arrow_output", "open_arrow"),
    ".feather": ("gateway.scoring.arrow_output", "open_arrow"),
}


def partial_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.partial")


def require_output_kind(path: Path) -> None:
    """Raises: ScoringFailed, where no file of this name could be written."""
    if path.suffix.lower() not in _MODULES:
        raise ScoringFailed(f"{path}: its name must end in one of {', '.join(_MODULES)}.")
    load(_MODULES[path.suffix.lower()][0])


def open_output(
    path: Path, source: Input, kept: Sequence[str], contract: ModelContract, size: int
) -> Output:
    """The partial file of an output, cut off at `size`; anew where that is 0.

    Raises: ScoringFailed, OSError.
    """
    module, opener = _MODULES[path.suffix.lower()]
    opened: Callable[..., Output] = getattr(load(module), opener)
    types: dict[str, Any] = {name: source.arrow_types.get(name) for name in kept}
    for output in contract.outputs:
        types |= dict.fromkeys(output.columns, output.datatype)
    return opened(path, partial_path(path), types, size)
