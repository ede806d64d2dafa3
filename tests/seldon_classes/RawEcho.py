class RawEcho:
    """Answers with the message that it is sent in jsonData, if it is sent one there."""

    def predict_raw(self, msg):
        asked = msg.get("jsonData")
        if isinstance(asked, dict):
            return asked
        return {"jsonData": {"message": msg}, "meta": {"tags": {"raw": True}}}
