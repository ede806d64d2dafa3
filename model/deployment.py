"""In which role a version of a model is in service."""

from typing import Protocol


class Deployment(Protocol):
    """A version that should be in service, pinned by the SHA-256 of its manifest.

    `role` is one of:
        current: answers whoever names no version.
        canary: answers `percent` of the partners in its place, always the same ones.
        shadow: answers copies of the requests, which nobody sees.
        retired: answers those who name it.
        standby: none of these; loaded only to stand in.
    `stand_in` says in which order (1 first; 0 never) versions are tried where the current one
    cannot be loaded and nothing serves. Times are seconds since 1970.
    """

    @property
    def version(self) -> str: ...
    @property
    def manifest_digest(self) -> str: ...
    @property
    def role(self) -> str: ...
    @property
    def percent(self) -> float: ...
    @property
    def deprecated_at(self) -> float | None: ...
    @property
    def sunset_at(self) -> float | None: ...
    @property
    def stand_in(self) -> int: ...


def answers_by_version(deployment: Deployment) -> bool:
    """Whether callers who name this version reach it."""
    if deployment.role == "shadow":
        # One that was retired before it became a shadow still has its callers.
        return deployment.sunset_at is not None
    return deployment.role in {"current", "canary", "retired"}
