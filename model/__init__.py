"""Inference only: versions of models on disk, loaded with proof, checked and asked in batches.

A `ModelStore` keeps versions. `ServedModels` loads those in service and finds the `ServedModel`
for a request; its `contract` checks the `Batch`, its `predict` gives the `Prediction`.
"""

from model.batch import Batch
from model.comparison import aligned, compare
from model.contract import Contract
from model.deployment import Deployment
from model.errors import (
    MAX_FAULTS,
    ArtifactRejected,
    Fault,
    InvalidInput,
    ModelError,
    ModelFailed,
    ModelNotReady,
    ModelTimedOut,
    ModelUnavailable,
    ModelUnwell,
    Refused,
    UnknownModel,
    UnknownVersion,
    VersionExists,
)
from model.manifest import Manifest
from model.names import is_model_name, is_model_version
from model.protocol import Model, Prediction
from model.served import ServedModel
from model.served_models import LoadOutcome, ServedModels
from model.sifting import SiftedRows
from model.signature import Feature, Output
from model.store import LoadedModel, ModelStore

__all__ = [
    "MAX_FAULTS",
    "ArtifactRejected",
    "Batch",
    "Contract",
    "Deployment",
    "Fault",
    "Feature",
    "InvalidInput",
    "LoadOutcome",
    "LoadedModel",
    "Manifest",
    "Model",
    "ModelError",
    "ModelFailed",
    "ModelNotReady",
    "ModelStore",
    "ModelTimedOut",
    "ModelUnavailable",
    "ModelUnwell",
    "Output",
    "Prediction",
    "Refused",
    "ServedModel",
    "ServedModels",
    "SiftedRows",
    "UnknownModel",
    "UnknownVersion",
    "VersionExists",
    "aligned",
    "compare",
    "is_model_name",
    "is_model_version",
]
