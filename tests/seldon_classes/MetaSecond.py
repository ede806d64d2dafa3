class MetaSecond:
    def predict(self, X, meta=None):
        return [isinstance(meta, dict) for _ in X]
