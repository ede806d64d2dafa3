"""The three commands a partner types next."""

from config.settings import Settings

_CLIENT = (
    '$(python3 -c \'import json; c = json.load(open("{path}"));'
    ' print(c["client_id"], c["client_secret"], sep=":")\')'
)
_ACCESS = "python3 -c 'import json, sys; print(json.load(sys.stdin)[\"access_token\"])'"
_BEARER = '-H "Authorization: Bearer $TOKEN"'
_BODY = '-H "Content-Type: application/json" -d @examples/breast_cancer/request.json'


def partner_commands(settings: Settings, ca_file: str | None = None) -> str:
    """Get a token, ask a prediction, read the contract; as text to paste into a shell."""
    path = settings.data_dir / "demo-credentials.json"
    client = _CLIENT.replace("{path}", str(path))
    curl = f"curl -sS --cacert {ca_file}" if ca_file else "curl -sS"
    url = settings.server.base_url
    model = f"{url}/v1/models/breast-cancer"
    return f"""
The gateway serves the example model at {url}. In a second shell, as a partner:

1. Get a token
   TOKEN=$({curl} -u "{client}" -d grant_type=client_credentials {url}/oauth/token | {_ACCESS})

2. Ask a prediction
   {curl} {_BEARER} {_BODY} {model}/predict

3. Read the contract
   {curl} {_BEARER} {model}
"""
