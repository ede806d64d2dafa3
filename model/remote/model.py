"""A model that another server runs: this one keeps the doors, that one computes."""

import os
import time
from collections.abc import Mapping
from functools import cached_property

from model.batch import Array, Batch
from model.contract import Contract
from model.errors import ModelError, ModelFailed, ModelTimedOut, ModelUnavailable
from model.remote.address import RemoteAddress
from model.remote.breaker import Breaker, BreakerOpen
from model.remote.client import Clock, EngineAway, RemoteClient
from model.remote.layout import EngineModel, our_outputs, read_metadata, tensors_of
from model.remote.open_inference import (
    HEADER_LENGTH,
    Tensor,
    decode_answer,
    encode_request,
    read_object,
)
from model.signature import Output
from model.tensor_data import datatype_of


class RemoteModel:
    """Answers batches by asking a server that speaks the Open Inference Protocol v2.

    Making one asks nothing: a version whose engine is away comes into service all the same, and
    its calls are answered once the engine is back.
    """

    def __init__(
        self, address: RemoteAddress, contract: Contract, clock: Clock = time.monotonic
    ) -> None:
        self.contract = contract
        # Nothing is measured: the engine may be away, and its speed is not ours to promise. At
        # worst a call takes as long as it may.
        self.expected_s = address.timeout_s
        self._address = address
        self._clock = clock
        self._process = 0
        self._engine: RemoteEngine | None = None

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        """One array for each output of the contract.

        Raises:
            ModelUnavailable, ModelTimedOut, ModelFailed: as `RemoteClient` does, or the answer is
                not what the contract promises.
        """
        answer = self._engine_here().answer(batch, self.contract)
        return {
            output.name: _checked(output, answer, batch.row_count)
            for output in self.contract.outputs
        } or answer

    def _engine_here(self) -> "RemoteEngine":
        # Made in the process that uses it: workers are forked from one that has loaded models.
        if self._engine is None or self._process != os.getpid():
            self._engine, self._process = RemoteEngine(self._address, self._clock), os.getpid()
        return self._engine


def _checked(output: Output, answer: Mapping[str, Array], row_count: int) -> Array:
    array = answer.get(output.name)
    if array is None:
        raise ModelFailed(f"the engine's answer lacks the output {output.name}")
    expected = (row_count, *output.shape[1:])
    fits = len(array.shape) == len(expected) and all(
        wanted in {-1, size} for wanted, size in zip(expected, array.shape, strict=True)
    )
    if not fits or datatype_of(array) != output.datatype:
        raise ModelFailed(f"the engine's output {output.name} has another shape or datatype")
    return array


class RemoteEngine:
    """One model on an engine, as one process speaks to it. Raises what `RemoteClient` does."""

    def __init__(self, address: RemoteAddress, clock: Clock = time.monotonic) -> None:
        self._address = address
        self._client = RemoteClient(address, clock)
        self._breaker = Breaker((EngineAway, ModelTimedOut), clock)

    @cached_property
    def model(self) -> EngineModel:
        """What the engine says of it; asked once."""
        model = read_object(self._client.get(self._client.model_path).body)
        return read_metadata(model, read_object(self._client.get("").body))

    def answer(self, batch: Batch, contract: Contract) -> dict[str, Array]:
        """The outputs under our names, or ModelUnavailable at once where it failed just now."""
        try:
            # Around all of it: an engine that describes itself, and hangs when asked, is away.
            with self._breaker:
                return our_outputs(self._infer(tensors_of(batch, contract, self.model)))
        except BreakerOpen as exc:
            raise ModelUnavailable(f"the engine is away, {exc}", exc.retry_after_s) from exc
        except ModelError:
            # It may come back as another than it was: let it describe itself again.
            vars(self).pop("model", None)
            raise

    def _infer(self, tensors: list[Tensor]) -> Mapping[str, Array]:
        body, headers = encode_request(tensors, self.model.outputs, binary=self.model.binary)
        received = self._client.post(f"{self._client.model_path}/infer", body, headers)
        answer = decode_answer(received.body, received.headers.get(HEADER_LENGTH))
        if answer.model_name != self._address.model:
            raise ModelFailed("the engine's answer is that of another model")
        if self._address.version and answer.model_version not in {"", self._address.version}:
            raise ModelFailed("the engine's answer is that of another version")
        return answer.outputs
