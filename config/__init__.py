"""Everything read from outside: settings, plans, logging and Gunicorn's own configuration."""

import os

# Before anything imports numpy: a BLAS thread pool in each worker would fight over the same
# cores, and does not survive a fork.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

# ONNX Runtime would report on its use, from a thread that ends a forked worker with an abort.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
