class RowsOnly(object):
    def predict(self, X):
        return X.sum(axis=1)
