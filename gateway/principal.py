"""Who is calling: one frozen fact that auth makes, and limits, resources and logs read."""

from dataclasses import dataclass

from config.plans import Plan

# What a route needs: nothing, any valid token, or a verb that the token must allow on the model.
PUBLIC, ANY_TOKEN = "public", "any token"
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A verified caller. `expires_at` is the token's `exp`, in seconds since 1970."""

    partner: str
    client_id: str
    scopes: frozenset[str]
    plan: Plan
    key_id: str
    jti: str
    expires_at: float

    def may(self, verb: str, model_name: str) -> bool:
        """Whether a scope allows `verb` (predict, read) on this model, by name or by `*`.

        The verb admin is allowed by name only.
        """
        scopes = self.scopes
        if f"model:{model_name}:{verb}" in scopes:
            return True
        return verb != ADMIN and f"model:*:{verb}" in scopes
