"""Published protocols, one file each, and each named once here.

The gateway's own shapes are in `native`; its paths are those of `gateway.app`.
"""

from gateway.dialects import invocations, open_inference, seldon, tensorflow_serving
from gateway.dialects.endpoint import Dialect

DIALECTS: tuple[Dialect, ...] = (
    open_inference.DIALECT,
    seldon.DIALECT,
    tensorflow_serving.DIALECT,
    tensorflow_serving.SHARED_PATHS,
    invocations.DIALECT,
)


def dialect_of(path: str) -> Dialect | None:
    """The dialect that is spoken on a path; None is the gateway's own."""
    return next((dialect for dialect in DIALECTS if dialect.paths.match(path)), None)


def token_header(path: str) -> str:
    """Where else than in Authorization a token may be on a path; empty where nowhere."""
    dialect = dialect_of(path)
    return dialect.token_header if dialect is not None else ""
