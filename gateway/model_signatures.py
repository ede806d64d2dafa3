"""The policy for signatures of models that the settings ask for."""

from pathlib import Path

from config.sections import ModelSettings
from config.settings import InvalidSettings
from model import ArtifactRejected
from model.signing import SignaturePolicy


def signature_policy(settings: ModelSettings) -> SignaturePolicy:
    """What the store checks before it opens a version.

    Raises: InvalidSettings, where the public key cannot be read or is none.
    """
    path = settings.signing_public_key
    try:
        pem = Path(path).read_bytes() if path else None
        return SignaturePolicy(pem, required=settings.require_signature)
    except OSError as exc:
        problem = f"cannot be read ({exc.strerror}): {path}"
    except ArtifactRejected as exc:
        problem = exc.reason
    raise InvalidSettings([f"models.signing_public_key: {problem}"])
