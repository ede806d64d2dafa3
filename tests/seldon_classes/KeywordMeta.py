class KeywordMeta:
    def predict(self, X, names=None, *, meta, threshold=0.5):
        return [names == ["x0", "x1"] and meta == {} and threshold == 0.5 for _ in X]
