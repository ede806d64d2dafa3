"""The commands a partner types next."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from config.settings import Settings
from gateway.cli.prepare import CREDENTIALS_FILE, DEMO_PARTNER, EXAMPLE_NAME

_CLIENT = (
    '$(python3 -c \'import json; c = json.load(open("{path}"));'
    ' print(c["client_id"], c["client_secret"], sep=":")\')'
)
_ACCESS = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
_BEARER = '-H "Authorization: Bearer $TOKEN"'


@dataclass(frozen=True, slots=True)
class FirstCall:
    """A model, and the file with a body for it."""

    model: str
    body: str


EXAMPLE_CALL = FirstCall(EXAMPLE_NAME, "examples/breast_cancer/request.json")


def partner_commands(
    settings: Settings,
    calls: Sequence[FirstCall] = (EXAMPLE_CALL,),
    *,
    partner: str = DEMO_PARTNER,
    ca_file: str | None = None,
) -> str:
    """Get a token, ask predictions, read the contract; as text to paste into a shell.

    Args:
        partner: in whose name; any other than the demo's is lent a token by the operator.
    """
    curl = f"curl -sS --cacert {ca_file}" if ca_file else "curl -sS"
    url = settings.server.base_url
    names = [call.model for call in calls]
    served = "the example model" if names == [EXAMPLE_NAME] else ", ".join(names)
    return f"""
The gateway serves {served} at {url}. In a second shell, as the partner {partner}:

1. Get a token
   TOKEN=$({_token_command(settings, partner, curl)})

2. Ask a prediction
{chr(10).join(_predict_command(curl, url, call) for call in calls)}

3. Read the contract
   {curl} {_BEARER} {url}/v1/models/{names[0]}
"""


def _token_command(settings: Settings, partner: str, curl: str) -> str:
    if partner != DEMO_PARTNER:
        gateway = Path(sys.executable).with_name("gateway")
        return f"{gateway} --data-dir {shlex.quote(str(settings.data_dir))} token issue {partner}"
    client = _CLIENT.replace("{path}", str(settings.data_dir / CREDENTIALS_FILE))
    grant = "-d grant_type=client_credentials"
    return f'{curl} -u "{client}" {grant} {settings.server.base_url}/oauth/token | {_ACCESS}'


def _predict_command(curl: str, url: str, call: FirstCall) -> str:
    body = f'-H "Content-Type: application/json" -d @{shlex.quote(call.body)}'
    return f"   {curl} {_BEARER} {body} {url}/v1/models/{call.model}/predict"
