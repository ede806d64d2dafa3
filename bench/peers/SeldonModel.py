"""Seldon's wrapper: `seldon-core-microservice SeldonModel --service-type MODEL --workers 2`."""

import os

import joblib


class SeldonModel:
    def __init__(self):
        self.model = joblib.load(os.environ["MODEL"])

    def predict(self, X, names=None, meta=None):
        return self.model.predict_proba(X)
