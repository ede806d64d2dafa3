"""A model that several engines answer, each the batches that it wins."""

from collections.abc import Mapping, Sequence
from typing import Any

from model.batch import Array, Batch
from model.contract import Contract
from model.protocol import Model


class RoutedModel:
    """Asks the engine whose turn it is from the batch's number of rows on.

    Attributes:
        engines: (from how many rows on, engine), ascending; the first is for one row.
    """

    def __init__(self, contract: Contract, engines: Sequence[tuple[int, Model]]) -> None:
        self.contract = contract
        self.engines = tuple(engines)
        # The largest first: most batches are small, but few models have more than two engines.
        self._descending = self.engines[::-1]

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        """One array for each output of the contract."""
        rows = batch.row_count
        for first, engine in self._descending:
            if rows >= first:
                return engine.predict(batch)
        return self.engines[0][1].predict(batch)


def routed(contract: Contract, engines: Sequence[tuple[int, Model]]) -> Model:
    """One model of these engines; the only one is its own."""
    return engines[0][1] if len(engines) == 1 else RoutedModel(contract, engines)


def engines_of(model: Any) -> tuple[tuple[int, Model], ...]:
    """The engines behind a model, with the number of rows from which each is asked."""
    return model.engines if isinstance(model, RoutedModel) else ((1, model),)
