"""Engines opened as they were chosen. Each is imported only where it serves: a worker whose models
are all compiled holds no scikit-learn.
"""

import importlib
from collections.abc import Callable, Mapping

from model.contract import Contract
from model.engines.record import FILES, NATIVE, ONNX, TREELITE, EngineRecord
from model.engines.routed import routed
from model.errors import ArtifactRejected
from model.protocol import Model

_CLASSES = {
    ONNX: ("model.engines.onnx_engine", "OnnxEngine"),
    TREELITE: ("model.engines.treelite_engine", "TreeliteEngine"),
}


def open_engines(
    record: EngineRecord,
    files: Mapping[str, bytes],
    contract: Contract,
    open_native: Callable[[], Model],
) -> Model:
    """The model that these engines make. The original is opened only if it serves, too.

    Raises:
        ArtifactRejected: one of them cannot be opened.
    """
    engines = {
        name: open_native() if name == NATIVE else _compiled(name, files, contract)
        for name in record.engines
    }
    return routed(contract, [(rows, engines[name]) for rows, name in record.routes])


def _compiled(name: str, files: Mapping[str, bytes], contract: Contract) -> Model:
    if FILES[name] not in files:
        raise ArtifactRejected(f"The compiled form {FILES[name]} is missing; add the model again.")
    module, engine = _CLASSES[name]
    opened: Model = getattr(importlib.import_module(module), engine)(files[FILES[name]], contract)
    return opened
