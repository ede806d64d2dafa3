"""The matrix of clients that others wrote and the calls they make here, kept by the tests.

A test that saw a client succeed says so with `Matrix.works`. `docs/compatibility.md` is what they
said; `test_compatibility.py` compares the two, and `make compatibility` writes the file anew.
"""

import ast
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from itertools import groupby
from pathlib import Path

from stack_process import ROOT

DOCUMENT = ROOT / "docs" / "compatibility.md"

_HEAD = """\
# Which clients work

Written by the tests (`make compatibility`): each line is a call that a client written by others
made to the running stack, over TLS and with an access token, and whose answer was what our own
path answers. The versions are those that were run.
"""


@dataclass(frozen=True, order=True, slots=True)
class Cell:
    """One client that made one call in one variant. `how` says what it needed, if anything."""

    protocol: str
    call: str
    variant: str
    client: str
    how: str = ""


class Matrix:
    """What has been seen to work in this run."""

    def __init__(self) -> None:
        self.cells: set[Cell] = set()

    def works(
        self, client: str, protocol: str, call: str, variant: str = "", *, how: str = ""
    ) -> None:
        """To be said by a test after it looked at the answer."""
        self.cells.add(Cell(protocol, call, variant, client, how))


def installed(package: str) -> str:
    """A client with the version that runs here."""
    return f"{package} {version(package)}"


def render(cells: Iterable[Cell]) -> str:
    """The document that these cells make."""
    parts = [_HEAD]
    for protocol, found in groupby(sorted(cells), key=lambda cell: cell.protocol):
        parts += [f"\n## {protocol}\n\n", _table(list(found))]
    return "".join(parts)


def _table(cells: list[Cell]) -> str:
    clients = sorted({cell.client for cell in cells})
    said = {(cell.call, cell.variant, cell.client): cell.how or "works" for cell in cells}
    lines = [["call", "variant", *clients], ["---"] * (len(clients) + 2)]
    for call, variant in sorted({(cell.call, cell.variant) for cell in cells}):
        lines.append([call, variant, *(said.get((call, variant, c), "-") for c in clients)])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def recording_files() -> set[Path]:
    """The test files in which a test takes the fixture `matrix`."""
    return {path for path in Path(__file__).parent.glob("test_*.py") if _records(path)}


def _records(path: Path) -> bool:
    tree = ast.parse(path.read_text())
    return any(_takes_matrix(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def _takes_matrix(function: ast.FunctionDef) -> bool:
    names = {argument.arg for argument in function.args.args}
    return "matrix" in names and function.name != "test_the_document_is_what_the_tests_saw"


def missing(selected: Collection[Path]) -> set[str]:
    """The recording files that this run leaves out: then the document cannot be compared."""
    return {path.name for path in recording_files() - set(selected)}
