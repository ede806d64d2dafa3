"""`gateway partner …`: who may call, with which plan, scopes and secrets."""

import re
from pathlib import Path
from typing import Any

import click

from gateway.auth.keys import (
    UnusableKey,
    load_pepper,
    new_client_id,
    new_client_secret,
    secret_digest,
)
from gateway.cli.administration import AdminGroup, Administration, administration, refusable
from gateway.cli.output import json_option, moment, show_json, show_table
from gateway.control.partners import Partner

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_MODEL = "[a-z0-9][a-z0-9._-]{0,62}"
# Who may bring models into service and take them out, may do so with those that are named.
_SCOPE = re.compile(rf"model:(\*|{_MODEL}):(predict|read)|model:{_MODEL}:admin")


@click.group(cls=AdminGroup)
def partner() -> None:
    """Create, show and change partners."""


@partner.command()
@click.argument("name")
@click.option("--plan", required=True, help="A plan of config/plans.toml.")
@click.option("--scope", "scopes", multiple=True, required=True, help="model:NAME:VERB; repeat.")
@json_option
@click.pass_obj
def create(
    data_dir: Path | None, name: str, plan: str, scopes: tuple[str, ...], as_json: bool
) -> None:
    """Create a partner, and print its client id and secret. The secret is shown only here."""
    admin = administration(data_dir)
    _require_name(name)
    admin.plan_named(plan)
    _require_scopes(scopes)
    credentials = create_partner(admin, name, plan, scopes)
    _show_credentials(credentials, as_json)
    admin.finish(credentials["revision"])


def create_partner(
    admin: Administration, name: str, plan: str, scopes: tuple[str, ...]
) -> dict[str, Any]:
    """The credentials of a new partner, and the revision that holds it."""
    create_in_store = admin.store.create_partner
    client_id, secret = new_client_id(name), new_client_secret()
    digest = secret_digest(_pepper(admin), secret)
    revision = refusable(create_in_store, name, client_id, plan, scopes, digest)
    return {
        "partner": name,
        "client_id": client_id,
        "client_secret": secret,
        "revision": revision,
    }


def replace_secrets(admin: Administration, name: str) -> dict[str, Any]:
    """A partner's only secret from now on, with its client id."""
    for secret in admin.store.secrets_of(name):
        admin.store.retire_secret(name, secret.id)
    new_secret = new_client_secret()
    admin.store.add_secret(name, secret_digest(_pepper(admin), new_secret))
    return {"client_id": admin.store.partner(name).client_id, "client_secret": new_secret}


@partner.command("list")
@json_option
@click.pass_obj
def list_partners(data_dir: Path | None, as_json: bool) -> None:
    """All partners."""
    partners = administration(data_dir).store.partners()
    if as_json:
        show_json([_facts(row) for row in partners])
        return
    rows = [
        (row.name, row.plan, "yes" if row.enabled else "no", row.client_id, " ".join(row.scopes))
        for row in partners
    ]
    show_table(("partner", "plan", "enabled", "client id", "scopes"), rows)


@partner.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(data_dir: Path | None, name: str, as_json: bool) -> None:
    """One partner, with its plan and when its secrets were last used."""
    admin = administration(data_dir)
    row = refusable(admin.store.partner, name)
    secrets = [
        {
            "secret": secret.id,
            "created_at": moment(secret.created_at),
            "last_used_at": moment(secret.last_used_at),
        }
        for secret in admin.store.secrets_of(name)
    ]
    if as_json:
        show_json({**_facts(row), "secrets": secrets})
        return
    facts = _facts(row) | {
        "scopes": " ".join(row.scopes),
        "enabled": "yes" if row.enabled else "no",
    }
    show_table(("", ""), facts.items())
    show_table(("secret", "created", "last used"), [tuple(secret.values()) for secret in secrets])


@partner.command("set")
@click.argument("name")
@click.option("--plan", help="The new one, of config/plans.toml.")
@click.option("--scope", "scopes", multiple=True, help="The new scopes, all of them; repeat.")
@click.pass_obj
def set_partner(
    data_dir: Path | None, name: str, plan: str | None, scopes: tuple[str, ...]
) -> None:
    """Change a partner's plan or scopes. Tokens already out are bounded by them too."""
    if plan is None and not scopes:
        raise click.UsageError("Give --plan or --scope.")
    admin = administration(data_dir)
    if plan is not None:
        admin.plan_named(plan)
    _require_scopes(scopes)
    revision = refusable(admin.store.set_partner, name, plan=plan, scopes=scopes or None)
    click.echo(f"Partner {name} changed.")
    admin.finish(revision)


@partner.command()
@click.argument("name")
@click.pass_obj
def disable(data_dir: Path | None, name: str) -> None:
    """Refuse a partner's tokens and its requests for new ones."""
    _set_enabled(administration(data_dir), name, enabled=False)


@partner.command()
@click.argument("name")
@click.pass_obj
def enable(data_dir: Path | None, name: str) -> None:
    """Let a partner call again."""
    _set_enabled(administration(data_dir), name, enabled=True)


@partner.group()
def secret() -> None:
    """Rotate a partner's secret without losing a call: add, hand over, retire the old one."""


@secret.command("add")
@click.argument("name")
@json_option
@click.pass_obj
def add_secret(data_dir: Path | None, name: str, as_json: bool) -> None:
    """Give a partner a second secret. It is shown only here."""
    admin = administration(data_dir)
    row = refusable(admin.store.partner, name)
    new_secret = new_client_secret()
    digest = secret_digest(_pepper(admin), new_secret)
    revision = refusable(admin.store.add_secret, name, digest)
    credentials = {"partner": name, "client_id": row.client_id, "client_secret": new_secret}
    _show_credentials(credentials, as_json)
    admin.finish(revision)


@secret.command("retire")
@click.argument("name")
@click.argument("secret_id")
@click.pass_obj
def retire_secret(data_dir: Path | None, name: str, secret_id: str) -> None:
    """Refuse a secret from now on. Its id is in: gateway partner show NAME."""
    admin = administration(data_dir)
    revision = refusable(admin.store.retire_secret, name, secret_id)
    click.echo(f"Secret {secret_id} of partner {name} retired.")
    admin.finish(revision)


def _set_enabled(admin: Administration, name: str, *, enabled: bool) -> None:
    revision = refusable(admin.store.set_partner, name, enabled=enabled)
    click.echo(f"Partner {name} {'enabled' if enabled else 'disabled'}.")
    admin.finish(revision)


def _pepper(admin: Administration) -> bytes:
    try:
        return load_pepper(admin.settings.keys_dir)
    except (OSError, UnusableKey) as exc:
        raise click.ClickException(f"The pepper cannot be read: {exc}") from exc


def _require_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise click.BadParameter(
            "a name has 1 to 63 of a-z 0-9 . _ - and begins with a letter or digit",
            param_hint="NAME",
        )


def _require_scopes(scopes: tuple[str, ...]) -> None:
    for scope in scopes:
        if not _SCOPE.fullmatch(scope):
            raise click.BadParameter(
                f"{scope} is not model:NAME:VERB (VERB is predict or read, and NAME may be *;"
                " or VERB is admin)",
                param_hint="--scope",
            )


def _facts(row: Partner) -> dict[str, Any]:
    return {
        "partner": row.name,
        "client_id": row.client_id,
        "plan": row.plan,
        "scopes": list(row.scopes),
        "enabled": row.enabled,
        "created_at": moment(row.created_at),
    }


def _show_credentials(credentials: dict[str, Any], as_json: bool) -> None:
    shown = {key: value for key, value in credentials.items() if key != "revision"}
    if as_json:
        show_json(shown)
    else:
        show_table(("", ""), shown.items())
        click.echo("The secret is not kept and cannot be shown again.", err=True)
