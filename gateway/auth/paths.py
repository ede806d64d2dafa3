"""Where the token service answers. Apart from its resources, so that both apps can say it."""

ISSUANCE_PATH = "/oauth/token"
REVOCATION_PATH = "/oauth/revoke"
JWKS_PATH = "/.well-known/jwks.json"
METADATA_PATH = "/.well-known/oauth-authorization-server"
# Of one model.
LOAD_RULE = "/v2/repository/models/<model_name:model_name>/load"
UNLOAD_RULE = "/v2/repository/models/<model_name:model_name>/unload"
