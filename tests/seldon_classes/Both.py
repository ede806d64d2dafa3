class Both:
    """Under --service-type MODEL only predict is called."""

    def predict(self, X, names, meta=None):
        return X[:, 0]

    def transform_input(self, X, names, meta=None):
        return X * 100

    def transform_output(self, X, names, meta=None):
        return X * 100
