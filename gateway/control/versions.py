"""Versions of models that are known, whether or not they serve: `deployments` says which do."""

from typing import Any

from sqlalchemy import Connection, Row, false, func, insert, select

from gateway.control import deployments
from gateway.control.change import Change, ControlError
from gateway.control.tables import model_deployments, model_promotions, model_versions

_columns = model_versions.c


def add(change: Change, name: str, version: str, manifest_digest: str, added_by: str) -> None:
    """Make a version known. It never changes."""
    if change.find(model_versions, (_columns.name == name) & (_columns.version == version)):
        raise ControlError(f"version {version} of model {name} exists already")
    change.run(
        insert(model_versions).values(
            name=name,
            version=version,
            manifest_digest=manifest_digest,
            added_by=added_by,
            added_at=change.now,
        )
    )


def last_promoted(connection: Connection, name: str) -> str | None:
    """The version that was made current last."""
    promoted = model_promotions.c
    query = select(promoted.version).where(promoted.name == name)
    version: str | None = connection.scalar(query.order_by(promoted.id.desc()).limit(1))
    return version


def all_versions(connection: Connection, now: float) -> list[Row[Any]]:
    """All versions known, each with `role`, `percent`, `deprecated_at` and `sunset_at`.

    These are None for a version that is not in service, or no longer; `active` is the role
    current.
    """
    deployed = model_deployments.c
    lasting = (deployed.sunset_at.is_(None)) | (deployed.sunset_at > now)
    in_service = lasting | deployed.role.in_((deployments.CANARY, deployments.SHADOW))
    joined = model_versions.outerjoin(
        model_deployments,
        (deployed.name == _columns.name) & (deployed.version == _columns.version) & in_service,
    )
    facts = (
        deployed.role,
        deployed.percent,
        deployed.deprecated_at,
        deployed.sunset_at,
        func.coalesce(deployed.role == deployments.CURRENT, false()).label("active"),
    )
    query = select(model_versions, *facts).select_from(joined)
    return list(connection.execute(query.order_by(_columns.name, _columns.added_at)))
