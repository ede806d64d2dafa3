"""LitServe, two workers, no batching: `python litserve_app.py PORT`."""

import os
import sys

import joblib
import litserve
import numpy as np


class Predictor(litserve.LitAPI):
    def setup(self, device):
        self.model = joblib.load(os.environ["MODEL"])

    def decode_request(self, request):
        return np.asarray(request["rows"])

    def predict(self, rows):
        return self.model.predict_proba(rows)

    def encode_response(self, answer):
        return {"probabilities": answer.tolist()}


if __name__ == "__main__":
    server = litserve.LitServer(Predictor(), accelerator="cpu", workers_per_device=2)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False)
