from seldon_core.metrics import create_gauge
from seldon_core.user_model import SeldonComponent, SeldonResponse


class Derived(SeldonComponent):
    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.parameters = kwargs

    def predict(self, X, names, meta=None):
        return SeldonResponse(
            data=X.mean(axis=1, keepdims=True),
            tags={"source": "response", "rows": len(X)},
            metrics=[create_gauge("rows", len(X))],
        )

    def tags(self):
        return {"source": "hook", "kind": self.parameters.get("kind", "none")}

    def metrics(self):
        return [{"key": "calls", "type": "COUNTER", "value": 1, "tags": {"where": "hook"}}]
