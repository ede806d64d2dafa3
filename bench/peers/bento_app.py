"""A BentoML service, two workers: `bentoml serve bento_app:Predictor`."""

import os

import bentoml
import joblib
import numpy as np


@bentoml.service(workers=2)
class Predictor:
    def __init__(self) -> None:
        self.model = joblib.load(os.environ["MODEL"])

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self.model.predict_proba(rows)
