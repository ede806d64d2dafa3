class Transformer:
    def transform_input(self, X, names, meta=None):
        return X * 2

    def transform_output(self, X, names, meta=None):
        raise RuntimeError("a transformer of inputs is not asked this")
