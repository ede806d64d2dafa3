"""`gateway edge`: what nginx needs in a place where it is a container of its own."""

import ipaddress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from config.secret_files import UnusableSecret, read_secret
from gateway.cli.administration import AdminCommand, service_settings
from gateway.cli.stack.certificates import Certificates, ensure_certificates
from gateway.cli.stack.layout import Layout
from gateway.cli.stack.nginx_files import Edge, write_nginx_files

# All addresses of the container: which of the host's lead there is the composition's to say.
_ADDRESSES = ("0.0.0.0", "[::]")  # noqa: S104
_CERTIFICATE, _KEY = "server.pem", "server.key"


@click.command(cls=AdminCommand)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to write to.")
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    default=Path("/run/gateway"),
    show_default=True,
    help="Where nginx will find the applications' sockets, and keep its own files.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8443,
    show_default=True,
    help="What nginx listens on, on every address.",
)
@click.option(
    "--own-certificate",
    type=click.Path(path_type=Path),
    help=f"Folder that may hold {_CERTIFICATE} (with its chain) and {_KEY}.",
)
@click.option(
    "--exempt",
    multiple=True,
    metavar="NETWORK",
    help="No limits per address for these, as in 10.0.0.0/8.",
)
@click.option(
    "--only",
    type=click.Choice(["predictions", "tokens"]),
    default=None,
    help="The one application beside this nginx, where they are in places of their own.",
)
def edge(
    *,
    out: Path,
    run_dir: Path,
    port: int,
    own_certificate: Path | None,
    exempt: tuple[str, ...],
    only: str | None,
) -> None:
    """Write nginx's configuration, and a self-signed certificate where there is no own one."""
    server = service_settings().server
    host = urlsplit(server.base_url).hostname or ""
    now = datetime.now(UTC)
    networks = tuple(str(_network(text)) for text in exempt)
    certificates = _own(own_certificate, host, now) or _self_signed(out / "tls", host, now)
    layout = Layout(out, run_dir)
    layout.nginx_configuration.mkdir(exist_ok=True)
    write_nginx_files(
        layout,
        Edge(
            _ADDRESSES,
            port,
            certificates,
            limits_loopback=True,
            exempt=networks,
            host=host,
            # Nobody takes the requests out of what is logged below that level.
            log_level="alert",
            in_flight=server.max_in_flight,
            max_body_bytes=server.max_body_bytes,
            deadline_s=server.request_deadline_s,
            only=only or "",
        ),
    )
    click.echo(f"nginx serves {host} with the certificate {certificates.certificate}.", err=True)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as exc:
        raise click.BadParameter(f"{text} is no network such as 10.0.0.0/8") from exc


def _own(folder: Path | None, host: str, now: datetime) -> Certificates | None:
    """The operator's certificate, if the folder has one.

    Raises: click.ClickException, where it could not serve this host today.
    """
    if folder is None or not (folder / _CERTIFICATE).exists():
        return None
    found = Certificates(
        ca=folder / _CERTIFICATE, certificate=folder / _CERTIFICATE, key=folder / _KEY
    )
    try:
        certificate = x509.load_pem_x509_certificates(found.certificate.read_bytes())[0]
        key = load_pem_private_key(read_secret(found.key), password=None)
    except UnusableSecret as exc:
        raise click.ClickException(str(exc)) from exc
    except (ValueError, TypeError) as exc:
        raise click.ClickException(f"{folder} holds no certificate and key in PEM form") from exc
    _refuse_unfit(found.certificate, certificate, host, now)
    if key.public_key() != certificate.public_key():
        raise click.ClickException(f"{found.key} is not the key of {found.certificate}")
    return found


def _refuse_unfit(path: Path, certificate: x509.Certificate, host: str, now: datetime) -> None:
    if certificate.not_valid_after_utc <= now:
        raise click.ClickException(f"{path} ended on {certificate.not_valid_after_utc:%Y-%m-%d}")
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        names = x509.SubjectAlternativeName([])
    known = names.get_values_for_type(x509.DNSName)
    if host not in known and f"*.{host.partition('.')[2]}" not in known:
        raise click.ClickException(
            f"{path} is not for {host} but for: {', '.join(known) or 'no name'}"
        )


def _self_signed(folder: Path, host: str, now: datetime) -> Certificates:
    if host != "localhost":
        raise click.ClickException(
            f"There is no certificate for {host}: mount a folder with {_CERTIFICATE} and {_KEY}."
            " One is made only for a first look at https://localhost."
        )
    click.echo(
        "WARNING: the certificate is self-signed and good for a first look only: callers must be"
        f" given {folder}/ca.pem. For partners mount your own.",
        err=True,
    )
    return ensure_certificates(folder, now)
