import json


class Lazy:
    class_names = ["low", "high"]

    def __init__(self):
        self.weights = None

    def predict(self, X, names, meta=None):
        if self.weights is None:
            with open("weights/weights.json") as f:
                self.weights = json.load(f)
        from helpers.scaling import scaled

        return scaled(X, self.weights)
