"""Make a data directory ready to serve: store, keys, and on request the example and its partner.

Everything here is done once: a second call finds it done, and changes nothing.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import click

from config.settings import Settings
from gateway.auth.keys import make_pepper
from gateway.cli.administration import Administration
from gateway.cli.key import stage_key
from gateway.cli.partner import create_partner, replace_secrets
from gateway.control import schema
from gateway.control.status_database import create_status_database

EXAMPLE_NAME = "breast-cancer"
DEMO_PARTNER = "demo"
CREDENTIALS_FILE = "demo-credentials.json"
DEMO_SCOPES = ("model:*:predict", "model:*:read")


def prepare(settings: Settings, *, demo: bool) -> None:
    """Create what is missing under `settings.data_dir`.

    Args:
        demo: also train the example model, activate it, and create the partner `demo`, whose
            credentials go to `demo-credentials.json` (mode 0600).
    """
    prepare_stores(settings)
    admin = Administration(settings)
    _make_keys(admin)
    if demo:
        _add_example(admin)
        _add_demo_partner(admin)
    # What serves is forked from this process, and no connection of SQLite's may cross a fork.
    admin.close()


def prepare_stores(settings: Settings) -> None:
    """Create the control store and the status database where they are missing, and no key."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    if schema.current(settings.database_url) != schema.HEAD:
        _run_module("gateway.control.migrate", settings)
    create_status_database(settings.status_url)


def first_caller(settings: Settings) -> str:
    """The partner to try things as: `demo`, which is made where there is no partner yet.

    Where real partners are, no further one gets in by the way: the first of them that may call.
    """
    admin = Administration(settings)
    partners = admin.store.partners()
    others = [partner for partner in partners if partner.enabled] or partners
    known = not others or any(partner.name == DEMO_PARTNER for partner in partners)
    if known:
        _add_demo_partner(admin)
    admin.close()
    return DEMO_PARTNER if known else others[0].name


def _make_keys(admin: Administration) -> None:
    admin.settings.keys_dir.mkdir(mode=0o700, exist_ok=True)
    make_pepper(admin.settings.keys_dir)
    if not admin.store.signing_keys():
        admin.store.activate_key(stage_key(admin))


def _add_example(admin: Administration) -> None:
    if any(row.name == EXAMPLE_NAME for row in admin.store.model_versions()):
        return
    click.echo(f"Training the example model {EXAMPLE_NAME} …", err=True)
    _run_module("gateway.cli.example", settings=admin.settings)


def _run_module(module: str, settings: Settings) -> None:
    # In a process of its own: what these import would hold up every start that needs none of it.
    environment = {
        **os.environ,
        "GATEWAY_DATA_DIR": str(settings.data_dir),
        "GATEWAY_CONTROL__DATABASE_URL": settings.control.database_url,
        "GATEWAY_MODELS__DIRECTORY": settings.models.directory,
    }
    try:
        subprocess.run([sys.executable, "-m", module], check=True, env=environment)  # noqa: S603
    except subprocess.CalledProcessError as exc:
        raise click.ClickException(f"{module} failed; see above.") from exc


def _add_demo_partner(admin: Administration) -> None:
    path = admin.settings.data_dir / CREDENTIALS_FILE
    if not any(partner.name == DEMO_PARTNER for partner in admin.store.partners()):
        created = create_partner(admin, DEMO_PARTNER, "trial", DEMO_SCOPES)
        _write_credentials(path, created["client_id"], created["client_secret"], admin.settings)
    elif path.is_file():
        # The same partner may be served on another address than last time.
        kept = json.loads(path.read_text())
        _write_credentials(path, kept["client_id"], kept["client_secret"], admin.settings)
    else:
        replaced = replace_secrets(admin, DEMO_PARTNER)
        _write_credentials(path, replaced["client_id"], replaced["client_secret"], admin.settings)


def _write_credentials(path: Path, client_id: str, client_secret: str, settings: Settings) -> None:
    credentials = {
        "client_id": client_id,
        "client_secret": client_secret,
        "token_url": f"{settings.server.base_url}/oauth/token",
        "base_url": settings.server.base_url,
    }
    text = json.dumps(credentials, indent=2) + "\n"
    if path.is_file() and path.read_text() == text:
        return
    temporary = path.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    temporary.replace(path)
