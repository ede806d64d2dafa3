"""Save a model for MLflow, with its signature: `python mlflow_save.py OUT_DIR`."""

import os
import sys

import joblib
import mlflow.sklearn
import numpy as np
from mlflow.models import ModelSignature
from mlflow.types import Schema, TensorSpec

signature = ModelSignature(
    inputs=Schema([TensorSpec(np.dtype(np.float64), (-1, 30))]),
    outputs=Schema([TensorSpec(np.dtype(np.float64), (-1, 2))]),
)
mlflow.sklearn.save_model(
    joblib.load(os.environ["MODEL"]),
    sys.argv[1],
    signature=signature,
    pyfunc_predict_fn="predict_proba",
    serialization_format="cloudpickle",
)
