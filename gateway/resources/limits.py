"""GET /v1/limits: the caller's plan, and what is left of it."""

from flask import Response
from flask_restful import Resource

from gateway.admission import Admission
from gateway.request_context import context
from gateway.wire.encode import encode_json
from gateway.wire.media_type import JSON


class Limits(Resource):  # type: ignore[misc]  # flask_restful has no types
    """Costs nothing, and is answered when everything is used up."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission

    def get(self) -> Response:
        current = context()
        current.decision = self._admission.peek(current.caller)
        plan = current.caller.plan
        answer = {
            "plan": plan.name,
            "max_rows_per_call": plan.max_rows_per_call,
            "limits": [state.describe() for state in current.decision.states],
        }
        return Response(encode_json(answer), content_type=JSON)
