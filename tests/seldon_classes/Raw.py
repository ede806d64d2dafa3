class Raw:
    def predict_raw(self, msg):
        rows = msg["data"]["ndarray"]
        answer = {
            "data": {"names": ["low", "high"], "tensor": {"shape": [len(rows), 2], "values": []}},
            "meta": {
                "tags": {"columns": msg["data"]["names"]},
                "metrics": [{"key": "rows", "type": "GAUGE", "value": len(rows)}],
            },
        }
        for row in rows:
            answer["data"]["tensor"]["values"] += [min(row), max(row)]
        if rows[0][0] < 0:
            return {"status": {"code": 400, "info": "no negative numbers", "status": "FAILURE"}}
        return answer
