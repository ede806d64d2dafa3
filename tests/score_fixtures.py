"""`gateway score` in this process, against a live gateway with models of every kind."""

import csv
import json
import runpy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from app_fixture import add_folder, add_model, make_app
from click.testing import CliRunner, Result
from fakes import MoodyEstimator, SlowEcho, wine_classifier
from live_gateway import LiveGateway, live
from sklearn.datasets import load_wine

from gateway.cli import main

ROOT = Path(__file__).parents[1]
FEATURES = tuple(load_wine().feature_names)
# Alcohol below 0 and magnesium above 500 are refused.
_RANGES = """
[[features]]
name = "alcohol"
minimum = 0

[[features]]
name = "magnesium"
maximum = 500
"""


@contextmanager
def scoring_gateway(folder: Path) -> Iterator[LiveGateway]:
    """`wine` (numbers, with ranges), `churn` (mixed types), `slow` and `moody`."""
    gateway = make_app(folder, models={"slow": SlowEcho(0.03), "moody": MoodyEstimator()})
    gateway.control.set_partner("acme", plan="unlimited")
    add_model(gateway.control, "wine", wine_classifier(), _toml(_RANGES))
    churn = folder / "churn"
    runpy.run_path(str(ROOT / "examples/mixed_types/train.py"))["main"](churn)
    add_folder(gateway.control, "churn", churn)
    gateway.refresh()
    with live(gateway) as served:
        yield served


def _toml(ranges: str) -> str:
    named = {line.split('"')[1] for line in ranges.splitlines() if line.startswith("name")}
    parts = ranges.split("[[features]]")[1:]
    by_name = {part.split('"')[1]: part for part in parts}
    return "".join(
        f"[[features]]{by_name[name]}" if name in named else f'[[features]]\nname = "{name}"\n'
        for name in FEATURES
    )


def wine_rows(count: int) -> list[list[float]]:
    """Rows of the training data, and slightly different ones where there are more."""
    data = load_wine().data
    random = np.random.default_rng(7)
    rows = data[np.arange(count) % len(data)] * random.uniform(0.99, 1.01, (count, data.shape[1]))
    return [list(row) for row in rows.round(4).tolist()]


def expected_labels(rows: list[list[float]]) -> list[int]:
    """What the model says when it is asked without any gateway."""
    model = wine_classifier()
    del model[0].feature_names_in_  # It would want a data frame.
    return [int(label) for label in model.predict(np.array(rows))]


@dataclass
class Scorer:
    """Someone who types `gateway score` in a folder."""

    served: LiveGateway
    folder: Path

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> Result:
        credentials = self.served.credentials(self.folder / "credentials.json")
        given = {"GATEWAY_CREDENTIALS": str(credentials), **(environment or {})}
        return CliRunner().invoke(main, ["score", *arguments], env=given)

    def score(
        self, source: str, output: str, *arguments: str, model: str = "wine", exit_code: int = 0
    ) -> str:
        """Score a file of the folder; what was said about it."""
        names = str(self.folder / source), "-o", str(self.folder / output)
        result = self.run(*names, "--model", model, *arguments)
        assert result.exit_code == exit_code, result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.stderr

    def write(self, name: str, header: list[str], rows: list[list[Any]]) -> None:
        write_table(self.folder / name, header, rows)

    def read(self, name: str) -> list[dict[str, Any]]:
        return read_table(self.folder / name)

    def refused(self, output: str) -> list[tuple[str, str, str, str]]:
        """Row, line, feature and code of each line of the report."""
        report = read_table(self.folder / f"{output}.refused.csv")
        return [(line["row"], line["line"], line["feature"], line["code"]) for line in report]

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"credentials.json"}


def write_table(path: Path, header: list[str], rows: list[list[Any]]) -> None:
    """A file of rows, by the end of its name."""
    if path.suffix in {".csv", ".tsv"}:
        with path.open("w", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writerows([header, *rows])
    elif path.suffix in {".ndjson", ".jsonl"}:
        path.write_text(
            "".join(json.dumps(dict(zip(header, row, strict=True))) + "\n" for row in rows)
        )
    else:
        columns = zip(*rows, strict=True) if rows else [()] * len(header)
        _write_arrow(path, pa.table([pa.array(c) for c in columns], names=header))


def _write_arrow(path: Path, table: pa.Table) -> None:
    if path.suffix == ".parquet":
        pq.write_table(table, path, row_group_size=700)
        return
    maker = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as sink, maker(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=300)


def read_table(path: Path) -> list[dict[str, Any]]:
    """The rows of a file; of CSV all cells are text."""
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    if path.suffix == ".tsv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file, delimiter="\t"))
    if path.suffix in {".ndjson", ".jsonl"}:
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".parquet":
        return list(pq.read_table(path).to_pylist())
    with pa.memory_map(str(path)) as source:
        return list(pa.ipc.open_file(source).read_all().to_pylist())
