"""A model in Seldon's convention: a class named as its file, and hooks found by their names.

No base class, nothing to import from the gateway. The same file runs under
`seldon-core-microservice Model --service-type MODEL`.
"""

import pickle


class Model:
    def __init__(self, certain_above=0.9):
        """The parameters come from model.toml."""
        self.certain_above = certain_above
        self.least = 1.0
        self.rewards = 0.0

    def load(self):
        """Called once, in each worker, with this folder as the working directory."""
        with open("wine.pkl", "rb") as file:
            self.pipeline = pickle.load(file)

    def predict(self, X, names, meta=None):
        """One row of probabilities for each row of X."""
        probabilities = self.pipeline.predict_proba(X)
        self.least = float(probabilities.max(axis=1).min())
        return probabilities

    def class_names(self):
        """What the columns of the answer are."""
        return list(self.pipeline.classes_)

    def tags(self):
        """Said beside the last answer."""
        return {"certain": self.least >= self.certain_above}

    def metrics(self):
        """Measured on the last answer; goes into the log."""
        return [{"key": "least_certainty", "type": "GAUGE", "value": round(self.least, 3)}]

    def init_metadata(self):
        """What model.toml does not say."""
        names = ["alcohol", "color_intensity", "hue", "proline"]
        schema = {"names": names, "shape": [len(names)]}
        return {"name": "wine", "inputs": [{"messagetype": "tensor", "schema": schema}]}

    def send_feedback(self, features, feature_names, reward, truth, routing=None):
        """Called when a caller says how good an answer was."""
        self.rewards += reward
