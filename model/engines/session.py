"""Sessions of ONNX Runtime: one thread, nothing but the operators of the standard."""

from typing import Any

import onnxruntime

from model.errors import ArtifactRejected

# Whatever it refuses is raised, too.
_FATAL_ONLY = 4


def open_session(graph: bytes) -> Any:
    """A session for these bytes, which must have been verified before.

    It has no threads of its own, so one opened before a fork answers in the children.

    Raises:
        ArtifactRejected: ONNX Runtime cannot use the graph.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY
    # Without the arena a large batch gives back its memory; measured, the time is the same.
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as exc:  # Its errors have no common class of their own.
        raise ArtifactRejected(f"ONNX Runtime cannot open it ({type(exc).__name__}).") from exc
