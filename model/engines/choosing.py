"""Engines for whatever a version is made of; compilers are imported for those that compile."""

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from model.engines.record import NATIVE, ONNX, EngineChoice, EngineWish, native_because
from model.engines.sample_rows import read_samples
from model.errors import ArtifactRejected
from model.protocol import Model

if TYPE_CHECKING:
    from model.contents import Contents


def engines_for(
    model: Model, contents: "Contents", wish: EngineWish, progress: Callable[[str], None]
) -> EngineChoice:
    """The engines that will answer this model, which was just made of these files.

    Raises:
        ArtifactRejected: what is wished for cannot be, or the sample file has no usable row.
    """
    if contents.is_component or contents.is_remote:
        what = "runs on another server" if contents.is_remote else "is code of its own"
        if wish.engine == ONNX:
            raise ArtifactRejected(f"The model {what}: it cannot run on {ONNX}.")
        return EngineChoice(native_because(f"It {what}."))
    samples = None
    if wish.sample_file:
        samples = read_samples(wish.sample_file, wish.samples, model.contract)
    if contents.is_onnx:
        if wish.engine == NATIVE:
            raise ArtifactRejected("An ONNX file runs on ONNX Runtime: it has no other engine.")
        chosen = importlib.import_module("model.engines.onnx_choice").choose_for_graph
    else:
        chosen = importlib.import_module("model.engines.choice").choose_engines
    choice: EngineChoice = chosen(model, wish.engine, samples, progress)
    return choice
