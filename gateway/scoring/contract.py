"""What the model promises, as `GET /v1/models/{model}` says it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from gateway.scoring.errors import ScoringFailed


@dataclass(frozen=True, slots=True)
class Feature:
    """One input. `datatype` is FP64, INT64, BOOL, or BYTES for text."""

    name: str
    datatype: str
    nullable: bool

    @property
    def expected(self) -> str:
        """What its cells have to be, for people."""
        words = {"FP64": "a number", "INT64": "an integer", "BOOL": "true or false"}
        return words.get(self.datatype, "text") + (" or nothing" if self.nullable else "")


@dataclass(frozen=True, slots=True)
class Output:
    """One array of the answer. `labels` name the columns of one that has several, else None."""

    name: str
    datatype: str
    labels: tuple[str, ...] | None

    @property
    def columns(self) -> list[str]:
        """What its columns are called in a table."""
        if self.labels is None:
            return [self.name]
        return [f"{self.name}_{label}" for label in self.labels]


@dataclass(frozen=True, slots=True)
class ModelContract:
    """One version of a model.

    Attributes:
        current_version: the one in service, which may be another than this.
        max_rows: the most in a call, where the model has such a limit.
        row_cost: what a row is charged.
    """

    model: str
    version: str
    current_version: str
    features: tuple[Feature, ...]
    outputs: tuple[Output, ...]
    max_rows: int | None
    row_cost: float

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Raises: ScoringFailed, where it is no contract, or answers what no table can hold."""
        try:
            roles = {each["role"]: each["version"] for each in document["versions"]}
            return cls(
                document["model"],
                document["version"],
                roles.get("current", document["version"]),
                tuple(
                    Feature(each["name"], each["datatype"], each["nullable"])
                    for each in document["features"]
                ),
                tuple(_output(each) for each in document["outputs"]),
                document["limits"].get("max_rows"),
                float(document["cost"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as exc:
            raise ScoringFailed("What answers at this base URL is no model gateway.") from exc

    @property
    def dense(self) -> bool:
        """Whether all features are numbers, and rows can travel as a matrix."""
        return all(feature.datatype == "FP64" for feature in self.features)

    @property
    def output_columns(self) -> list[str]:
        return [name for output in self.outputs for name in output.columns]


def _output(document: Mapping[str, Any]) -> Output:
    shape = document["shape"]
    if len(shape) > 2:
        raise ScoringFailed(
            f"The model's output {document['name']} has {len(shape)} dimensions: no table holds it."
        )
    labels = None
    if len(shape) == 2:
        labels = tuple(map(str, document.get("names") or document.get("classes") or ()))
        if len(labels) != shape[1]:
            labels = tuple(map(str, range(shape[1])))
    return Output(document["name"], document["datatype"], labels)
