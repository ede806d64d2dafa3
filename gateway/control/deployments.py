"""Which versions of a model are in service, in which role: the rules of promoting and retiring.

`current` answers, `canary` answers a share of the partners, `shadow` answers copies that nobody
sees, `retired` answers those who name it, until its sunset. Each function is a part of one change.
"""

from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from gateway.control.change import Change, ControlError
from gateway.control.tables import model_deployments, model_promotions, model_versions

CURRENT, CANARY, SHADOW, RETIRED = "current", "canary", "shadow", "retired"

_columns = model_deployments.c


def promote(change: Change, name: str, version: str, keep_s: float) -> None:
    """Make a version current. The one before answers those who name it for `keep_s` more."""
    _require_version(change, name, version)
    current = _in_role(change, name, CURRENT)
    if current is not None and current.version == version:
        raise ControlError(f"version {version} of model {name} is current already")
    if current is not None:
        _retire(change, current, change.now + keep_s)
    _place(change, name, version, role=CURRENT)
    at = change.now
    change.run(insert(model_promotions).values(name=name, version=version, at=at))
    change.before = {"version": current.version if current is not None else None}
    change.after = {"version": version}


def roll_back(change: Change, name: str) -> str:
    """Make the version promoted before the current one current again, and give its name.

    The one that was current leaves service at once: whoever rolls back found it wrong.
    """
    current = _require_current(change, name)
    newest_first = model_promotions.c.id.desc()
    query = select(model_promotions).where(model_promotions.c.name == name).order_by(newest_first)
    promotions = change.connection.execute(query).all()
    earlier = next((row for row in promotions if row.version != current.version), None)
    if earlier is None:
        raise ControlError(f"no version of model {name} was promoted before {current.version}")
    later = (model_promotions.c.name == name) & (model_promotions.c.id > earlier.id)
    change.run(delete(model_promotions).where(later))
    _remove(change, current)
    _place(change, name, earlier.version, role=CURRENT)
    change.before, change.after = {"version": current.version}, {"version": earlier.version}
    restored: str = earlier.version
    return restored


def set_canary(change: Change, name: str, version: str, percent: float) -> None:
    """Let a version answer this share of the partners. A model has one canary at most."""
    if not 0 < percent <= 100:
        raise ControlError(f"{percent:g} percent is no share: more than 0, and 100 at most")
    _take_role(change, name, version, CANARY, percent)


def set_shadow(change: Change, name: str, version: str) -> None:
    """Let a version answer copies of the requests. A model has one shadow at most."""
    _take_role(change, name, version, SHADOW)


def end_role(change: Change, name: str, role: str) -> None:
    """Take the canary or the shadow out of its role."""
    row = _in_role(change, name, role)
    if row is None:
        raise ControlError(f"model {name} has no {role} (see: gateway model list)")
    change.before = _facts(row)
    _end(change, row)


def retire(change: Change, name: str, version: str, sunset_at: float) -> None:
    """Let a version answer only those who name it, until its sunset; at once if that is now."""
    row = _find(change, name, version)
    if row is None:
        raise ControlError(f"version {version} of model {name} is not in service")
    if row.role == CURRENT:
        raise ControlError(
            f"version {version} of model {name} is current: promote another one first, or take"
            f" the whole model out of service (gateway model retire {name} --all)"
        )
    change.before = _facts(row)
    _retire(change, row, sunset_at)
    change.after = {"sunset_at": sunset_at}


def withdraw(change: Change, name: str, sunset_at: float) -> None:
    """Give the whole model a sunset; at once if that is now. Canary and shadow end."""
    _require_current(change, name)
    change.before = {"deployments": [_facts(row) for row in _rows(change, name)]}
    for row in _rows(change, name):
        if row.role in (CANARY, SHADOW):
            _end(change, row)
    if sunset_at <= change.now:
        change.run(delete(model_deployments).where(_columns.name == name))
        change.run(delete(model_promotions).where(model_promotions.c.name == name))
    else:
        deprecated = {"deprecated_at": change.now, "sunset_at": sunset_at}
        ends_later = (_columns.name == name) & (
            (_columns.role == CURRENT) | (_columns.sunset_at > sunset_at)
        )
        change.run(update(model_deployments).where(ends_later).values(**deprecated))
    change.after = {"sunset_at": sunset_at}


def unload(change: Change, name: str) -> None:
    """Take a model out of service at once. What was promoted is kept, so that it can return."""
    rows = _rows(change, name)
    if not rows:
        raise ControlError(f"model {name} is not in service")
    change.before = {"deployments": [_facts(row) for row in rows]}
    change.run(delete(model_deployments).where(_columns.name == name))


def _take_role(
    change: Change, name: str, version: str, role: str, percent: float | None = None
) -> None:
    _require_version(change, name, version)
    if _require_current(change, name).version == version:
        raise ControlError(f"version {version} of model {name} is current: it cannot be its {role}")
    before = _in_role(change, name, role)
    change.before = _facts(before) if before is not None else None
    if before is not None and before.version != version:
        _end(change, before)
    # A retired version goes on answering those who name it, until its sunset.
    row = _find(change, name, version)
    dates = {"deprecated_at": row and row.deprecated_at, "sunset_at": row and row.sunset_at}
    _place(change, name, version, role=role, percent=percent, **dates)
    change.after = {"version": version, "role": role, "percent": percent}


def _place(change: Change, name: str, version: str, **values: Any) -> None:
    _forget_sunk(change, name)
    change.run(delete(model_deployments).where(_is(name, version)))
    change.run(insert(model_deployments).values(name=name, version=version, **values))


def _end(change: Change, row: Row[Any]) -> None:
    if row.sunset_at is not None and row.sunset_at > change.now:
        back = update(model_deployments).where(_is(row.name, row.version))
        change.run(back.values(role=RETIRED, percent=None))
    else:
        _remove(change, row)


def _retire(change: Change, row: Row[Any], sunset_at: float) -> None:
    if sunset_at <= change.now:
        _remove(change, row)
        return
    since = change.now if row.deprecated_at is None else row.deprecated_at
    values = {"role": RETIRED, "percent": None, "deprecated_at": since, "sunset_at": sunset_at}
    change.run(update(model_deployments).where(_is(row.name, row.version)).values(**values))


def _remove(change: Change, row: Row[Any]) -> None:
    change.run(delete(model_deployments).where(_is(row.name, row.version)))


def _forget_sunk(change: Change, name: str) -> None:
    sunk = (_columns.role == RETIRED) & (_columns.sunset_at <= change.now)
    change.run(delete(model_deployments).where((_columns.name == name) & sunk))


def _require_version(change: Change, name: str, version: str) -> None:
    known = (model_versions.c.name == name) & (model_versions.c.version == version)
    if change.find(model_versions, known) is None:
        raise ControlError(
            f"there is no version {version} of model {name} (see: gateway model list)"
        )


def _require_current(change: Change, name: str) -> Row[Any]:
    row = _in_role(change, name, CURRENT)
    if row is None:
        raise ControlError(f"model {name} is not in service: promote a version of it first")
    return row


def _in_role(change: Change, name: str, role: str) -> Row[Any] | None:
    return change.find(model_deployments, (_columns.name == name) & (_columns.role == role))


def _find(change: Change, name: str, version: str) -> Row[Any] | None:
    return change.find(model_deployments, _is(name, version))


def _rows(change: Change, name: str) -> list[Row[Any]]:
    query = select(model_deployments).where(_columns.name == name).order_by(_columns.version)
    return list(change.connection.execute(query))


def _is(name: str, version: str) -> Any:
    return (_columns.name == name) & (_columns.version == version)


def _facts(row: Row[Any]) -> dict[str, Any]:
    return {"version": row.version, "role": row.role, "percent": row.percent} | (
        {"sunset_at": row.sunset_at} if row.sunset_at is not None else {}
    )
