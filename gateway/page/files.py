"""The files of the page, read once, with what each is and how browsers may use it."""

import hashlib
from dataclasses import dataclass
from importlib.resources import files

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
# Nothing but its own files, no code in the page itself, and no text that becomes code.
CONTENT_SECURITY_POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is sent."""

    body: bytes
    content_type: str
    etag: str


def read_page() -> dict[str, PageFile]:
    """Every file of the page by its name."""
    found: dict[str, PageFile] = {}
    for file in files("gateway.page").iterdir():
        content_type = _TYPES.get("." + file.name.rpartition(".")[2])
        if content_type is not None:
            body = file.read_bytes()
            etag = hashlib.sha256(body).hexdigest()[:32]
            found[file.name] = PageFile(body, content_type, etag)
    return found
