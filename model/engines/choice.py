"""Which engine will answer a model: compiled, proved and measured once, when it is added."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.batch import Batch
from model.contract import Contract
from model.engines import conversion, treelite_conversion
from model.engines.onnx_engine import OnnxEngine
from model.engines.probe_rows import Probe, ProbeRows
from model.engines.proof import Answered, Proof, answers, prove
from model.engines.record import (
    AUTO,
    FILES,
    NATIVE,
    ONNX,
    TREELITE,
    EngineChoice,
    EngineRecord,
    native_because,
)
from model.engines.threshold_rows import threshold_rows
from model.engines.timing import SIZES, measure, routes
from model.engines.treelite_engine import TreeliteEngine
from model.errors import ArtifactRejected
from model.estimator.columns import learn_columns
from model.estimator.fitted import feature_names, reads_names
from model.estimator.model import EstimatorModel
from model.protocol import Model

_THRESHOLD_BASE_ROWS = 50

Progress = Callable[[str], None]
Compiler = tuple[str, Callable[[Any, Contract], bytes], Callable[[bytes, Contract], Model]]

_COMPILERS: tuple[Compiler, ...] = (
    (ONNX, conversion.convert, OnnxEngine),
    (TREELITE, treelite_conversion.convert, TreeliteEngine),
)


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """A compiled form that answers as the original does."""

    name: str
    data: bytes
    engine: Model
    proof: Proof


def choose_engines(
    native: EstimatorModel,
    wish: str = AUTO,
    samples: Batch | None = None,
    progress: Progress = lambda _: None,
) -> EngineChoice:
    """Compile the estimator, compare on probe rows, and measure what is equal.

    Args:
        wish: "native", "onnx" for no other compiled form than that, or "auto".
        samples: rows like those that will come.

    Raises:
        ArtifactRejected: "onnx" was wished for, and that form cannot serve.
    """
    if wish == NATIVE:
        return EngineChoice(native_because("The original was asked for."))
    probes = _Probes(native, samples)
    compiled = _compiled(native, probes, wish, progress)
    if not isinstance(compiled, str):
        return _measured(native, compiled, probes, wish, progress)
    if wish != AUTO:
        raise ArtifactRejected(f"It cannot run on {wish}. {compiled}")
    return EngineChoice(native_because(compiled))


def compile_proved(native: EstimatorModel) -> Compiled | str:
    """The first compiled form that answers as the original; else why there is none."""
    return _compiled(native, _Probes(native, None), AUTO, lambda _: None)


def _compiled(
    native: EstimatorModel, probes: "_Probes", wish: str, progress: Progress
) -> Compiled | str:
    reasons: list[str] = []
    for name, convert, open_engine in _COMPILERS:
        if wish not in {AUTO, name}:
            continue
        progress(f"compiling for {name}")
        try:
            data = convert(native.estimator, native.contract)
            engine = open_engine(data, native.contract)
        except ArtifactRejected as exc:
            reasons.append(exc.reason)
            continue
        progress(f"comparing {name} with the original")
        proof = prove(engine, probes.answered)
        if proof.fault is None:
            return Compiled(name, data, engine, proof)
        reasons.append(f"The form for {name} does not serve. {proof.fault}")
    # That treelite reads no such thing says little; that its answers differ says more.
    return next((reason for reason in reasons if "does not serve" in reason), reasons[0])


def _measured(
    native: EstimatorModel,
    compiled: Compiled,
    probes: "_Probes",
    wish: str,
    progress: Progress,
) -> EngineChoice:
    progress("measuring")
    engines: dict[str, Model] = {compiled.name: compiled.engine, NATIVE: native}
    times = measure(engines, probes.rows.across, native.contract.limits.max_rows or SIZES[-1])
    found = routes(times, compiled.name) if wish == AUTO else ((1, compiled.name),)
    serves = any(name == compiled.name for _, name in found)
    return EngineChoice(
        EngineRecord(
            found,
            reason="" if serves else "The original is faster at every size.",
            rows=compiled.proof.rows,
            largest_difference=compiled.proof.largest_difference,
            times_s=times,
        ),
        {FILES[compiled.name]: compiled.data} if serves else {},
    )


class _Probes:
    """The rows to compare on, and what the original says about them; made when first needed."""

    def __init__(self, native: EstimatorModel, samples: Batch | None) -> None:
        self._native = native
        contract, estimator = native.contract, native.estimator
        known = learn_columns(estimator, len(feature_names(estimator) or contract.features))
        names = feature_names(estimator) or contract.feature_names
        columns = dict(zip(names, known, strict=True))
        if not contract.feature_name_set <= columns.keys():
            columns = dict(zip(contract.feature_names, known, strict=True))
        self.rows = ProbeRows(contract, [columns[n] for n in contract.feature_names], samples)
        self._answered: list[Answered] = []

    @property
    def answered(self) -> list[Answered]:
        if not self._answered:
            self._answered = answers(self._native, self._all())
        return self._answered

    def _all(self) -> Iterator[Probe]:
        yield from self.rows.all()
        contract, estimator = self._native.contract, self._native.estimator
        if contract.dense and not reads_names(estimator):
            base = self.rows.across(_THRESHOLD_BASE_ROWS).values
            values = threshold_rows(estimator, base, np.random.default_rng(0))
            yield Probe("threshold", _kept(contract, values))


def _kept(contract: Contract, values: Any) -> Batch:
    """Those of the rows that the contract lets in."""
    inside = ((values >= contract.lower) & (values <= contract.upper)).all(axis=1)
    return Batch(np.ascontiguousarray(values[inside]))
