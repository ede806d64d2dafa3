import pandas as pd


class Frames:
    def predict(self, X, names, meta=None):
        df = pd.DataFrame(X, columns=names)
        df["total"] = df["price"].astype(float) * df["count"].astype(float)
        return df[["total"]]

    def feature_names(self):
        return ["price", "count", "city"]
