"""Boosted trees of XGBoost, LightGBM and scikit-learn, answered by treelite.

It computes in the precision of the library that the trees come from.
"""

from collections.abc import Mapping

import numpy as np
import treelite
from treelite.gtil.gtil import GTILConfig, _predict_impl

from model.batch import Array, Batch
from model.contract import Contract
from model.engines.onnx_engine import classes_array, dtype_of
from model.errors import ArtifactRejected


class TreeliteEngine:
    """Answers with trees that `treelite_conversion` wrote; predicts the most probable class."""

    # One row of 100 trees: 38 us. `gtil.predict` makes its configuration anew at each call, for
    # 15 us more.

    def __init__(self, trees: bytes, contract: Contract) -> None:
        """Raises ArtifactRejected where the trees cannot be used."""
        try:
            self._trees = treelite.Model.deserialize_bytes(trees)
        except Exception as exc:
            raise ArtifactRejected(f"treelite cannot open it ({type(exc).__name__}).") from exc
        self.contract = contract
        self._config = GTILConfig(nthread=1, predict_type="default")
        outputs = {output.name: output for output in contract.outputs}
        table = outputs.get("probabilities")
        self._of_classes = table is not None
        if not outputs.keys() <= {"predictions", "probabilities"}:
            raise ArtifactRejected("treelite gives predictions and probabilities only.")
        self._labels = classes_array(outputs["predictions"]) if self._of_classes else None
        self._dtype = dtype_of(table or outputs["predictions"])

    def predict(self, batch: Batch) -> Mapping[str, Array]:
        """One array for each output of the contract."""
        found = _predict_impl(self._trees, batch.values, config=self._config)
        table = found[:, 0].astype(self._dtype, copy=False)
        if self._labels is None:
            return {"predictions": table[:, 0]}
        if table.shape[1] == 1:
            table = np.hstack([1 - table, table])
        return {"predictions": self._labels.take(table.argmax(axis=1)), "probabilities": table}
