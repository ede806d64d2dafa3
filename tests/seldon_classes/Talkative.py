from model import Refused


class NotHere(Exception):
    pass


class SeldonMicroserviceException(Exception):
    def __init__(self, message, status_code):
        self.message = message
        self.status_code = status_code


class Talkative:
    """Says in each way there is that it will not answer."""

    def __init__(self):
        self.calls = 0
        self.feedback = []

    def predict(self, X, names, meta=None):
        self.calls += 1
        mood = X[0, 0]
        if mood == 1:
            raise Refused("invalid_input", "No wine has so much\nalcohol.")
        if mood == 2:
            raise Refused("unavailable", "The table of prices is being renewed.")
        if mood == 3:
            raise SeldonMicroserviceException("This region is not covered.", status_code=404)
        if mood == 4:
            raise TypeError(f"predict() takes 2 positional arguments but {X[0, 1]} were given")
        if mood == 5:
            try:
                raise NotHere("secret 4711")
            except NotHere as exc:
                raise ValueError(f"value {X[0, 1]}") from exc
        if mood == 6:
            raise NotImplementedError
        if mood == 7:
            raise Refused("teapot", "There is no such code.")
        if mood == 12:
            exit()
        if mood == 8:
            return {"ok": True}
        if mood == 9:
            return X[:, :1]
        if mood == 10:
            return X[:-1, 0]
        return X.sum(axis=1)

    def tags(self):
        return {"calls": self.calls, "feedback": self.feedback}

    def metrics(self):
        return [{"key": "calls", "type": "COUNTER", "value": self.calls}]

    def send_feedback(self, features, feature_names, reward, truth, routing=None):
        if reward < 0:
            raise Refused("invalid_input", "Rewards are not negative.")
        if reward > 100:
            raise RuntimeError("too good")
        self.feedback.append((features.tolist(), feature_names, reward, truth))
