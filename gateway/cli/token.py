"""`gateway token …`: a token to try things with, and the end of tokens."""

import re
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import jwt
from sqlalchemy.exc import SQLAlchemyError

from config.plans import plans_file
from gateway.auth.access_tokens import AccessTokenIssuer, narrowed_scope
from gateway.auth.keys import SigningKeys
from gateway.auth.oauth_errors import OAuthError
from gateway.cli.administration import AdminGroup, Administration, administration, refusable
from gateway.cli.output import json_option, moment, show_json
from gateway.control.database import reading_engine
from gateway.control.snapshot import SnapshotReader

_JTI = re.compile(r"[!-~]{1,128}")


@click.group(cls=AdminGroup)
def token() -> None:
    """Issue a token to try things; revoke tokens."""


@token.command()
@click.argument("partner")
@click.option("--scope", "scopes", multiple=True, help="Narrow the partner's scopes; repeat.")
@json_option
@click.pass_obj
def issue(data_dir: Path | None, partner: str, scopes: tuple[str, ...], as_json: bool) -> None:
    """Print an access token in a partner's name."""
    admin = administration(data_dir)
    client_id = refusable(admin.store.partner, partner).client_id
    settings = admin.settings
    snapshot = SnapshotReader(reading_engine(settings.database_url), plans_file()).read()
    client = snapshot.clients[client_id]
    if not client.enabled:
        raise click.ClickException(f"Partner {partner} is disabled: its tokens are refused.")
    issuer = AccessTokenIssuer(
        SigningKeys(settings.keys_dir), settings.auth, issuer=settings.issuer, clock=time.time
    )
    try:
        scope = narrowed_scope(client, " ".join(scopes) or None)
        access_token = issuer.issue(snapshot, client, scope)
    except OAuthError as exc:
        raise click.ClickException(exc.description) from exc
    admin.store.note_token_issued(partner, access_token.jti, access_token.expires_at)
    if as_json:
        expires_at = moment(access_token.expires_at)
        show_json({"access_token": access_token.token, "scope": scope, "expires_at": expires_at})
    else:
        click.echo(access_token.token)


@token.command()
@click.option("--token", "given", help="The token itself; - reads it from standard input.")
@click.option("--jti", help="The token's jti, as in the log.")
@click.option("--client", help="All tokens of this client id, issued until now or --before.")
@click.option("--all", "everything", is_flag=True, help="All tokens issued until now or --before.")
@click.option("--before", type=click.DateTime(), help="UTC. With --client or --all.")
@click.pass_obj
def revoke(
    data_dir: Path | None,
    *,
    given: str | None,
    jti: str | None,
    client: str | None,
    everything: bool,
    before: datetime | None,
) -> None:
    """Revoke by token, jti or client, or everything; in force in every worker within 2 s."""
    if sum((given is not None, jti is not None, client is not None, everything)) != 1:
        raise click.UsageError("Give one of --token, --jti, --client and --all.")
    if before is not None and (given is not None or jti is not None):
        raise click.UsageError("--before goes with --client or --all.")
    admin = administration(data_dir)
    cutoff = before.replace(tzinfo=UTC).timestamp() if before else time.time()
    if given is not None:
        revision, what = _revoke_token(admin, sys.stdin.read().strip() if given == "-" else given)
    elif jti is not None:
        revision, what = _revoke_jti(admin, jti, _forgettable_at(admin, time.time()))
    elif client is not None:
        _require_client(admin, client)
        expires_at = _forgettable_at(admin, cutoff)
        revision = refusable(admin.store.revoke_client, client, cutoff, expires_at)
        what = f"All tokens of {client} issued until {moment(cutoff)}"
    else:
        revision = refusable(admin.store.revoke_all, cutoff, _forgettable_at(admin, cutoff))
        what = f"All tokens issued until {moment(cutoff)}"
    click.echo(f"{what} revoked.")
    admin.finish(revision)


def _revoke_token(admin: Administration, given: str) -> tuple[int, str]:
    claims = _claims(given)
    forgettable_at = claims["exp"] + admin.settings.auth.leeway_s
    return _revoke_jti(admin, claims["jti"], forgettable_at)


def _revoke_jti(admin: Administration, jti: str, expires_at: float) -> tuple[int, str]:
    # It may come from a stranger's token, and is shown on terminals ever after.
    if not _JTI.fullmatch(jti):
        raise click.ClickException("A jti has 1 to 128 printable ASCII characters, no spaces.")
    return refusable(admin.store.revoke_token, jti, expires_at), f"Token {jti}"


def _claims(given: str) -> dict[str, Any]:
    # The operator may revoke anything, so the signature does not matter here.
    try:
        claims = jwt.decode(given, options={"verify_signature": False, "verify_exp": False})
        return {"jti": str(claims["jti"]), "exp": float(claims["exp"])}
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError) as exc:
        raise click.ClickException("That is not an access token.") from exc


def _forgettable_at(admin: Administration, cutoff: float) -> float:
    """When the last token issued by then has expired."""
    auth = admin.settings.auth
    return max(cutoff, time.time()) + auth.access_token_ttl_s + 2 * auth.leeway_s


def _require_client(admin: Administration, client_id: str) -> None:
    try:
        known = {partner.client_id for partner in admin.store.partners()}
    except SQLAlchemyError as exc:
        raise click.ClickException("The control store cannot be read.") from exc
    if client_id not in known:
        raise click.ClickException(f"There is no client {client_id} (see: gateway partner list)")
