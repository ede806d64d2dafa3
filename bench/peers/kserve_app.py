"""A KServe predictor of its own, two workers: `python kserve_app.py PORT`."""

import os
import sys

import joblib
import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.protocol.infer_type import InferRequest


class Predictor(Model):
    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.load()

    def load(self) -> bool:
        self.model = joblib.load(os.environ["MODEL"])
        self.ready = True
        return True

    def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, InferRequest):
            answer = self.model.predict_proba(payload.inputs[0].as_numpy())
            output = InferOutput("probabilities", list(answer.shape), "FP64")
            output.set_data_from_numpy(answer, binary_data=False)
            return InferResponse(payload.id or "0", self.name, [output])
        answer = self.model.predict_proba(np.asarray(payload["instances"]))
        return {"predictions": answer.tolist()}


if __name__ == "__main__":
    ModelServer(http_port=int(sys.argv[1]), workers=2, enable_grpc=False).start([Predictor("m")])
