"""The same door for everybody: nginx with our TLS, in front of a server that has none."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

from bench.processes import Server, free_port, running
from gateway.cli.stack.certificates import ensure_certificates
from gateway.cli.stack.children import NGINX_ENVIRONMENT

# As ours: Mozilla's intermediate profile, kept connections, bodies in memory that is kept.
_CONFIGURATION = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
worker_processes auto;
worker_rlimit_nofile 8192;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    tcp_nopush on;
    include {nginx}/tls.conf;
    client_max_body_size 16m;
    client_body_buffer_size 8m;
    keepalive_requests 100000;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_buffers 32 64k;
    proxy_buffer_size 16k;
    proxy_busy_buffers_size 128k;
{servers}
}}
"""

_SERVER = """
    upstream {name} {{ server {upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{ proxy_pass http://{name}; }}
    }}
"""

_NOTHING = """
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location / {{ return 200 "{{}}"; }}
    }}
"""

NGINX = "nginx alone"


@contextlib.contextmanager
def doors(folder: Path, upstreams: Mapping[str, str]) -> Iterator[tuple[Server, dict[str, str]]]:
    """One nginx; the base URL of each upstream behind it, and of nginx answering alone."""
    folder.mkdir(parents=True, exist_ok=True)
    _certificate(folder)
    ports = {name: free_port() for name in [*upstreams, NGINX]}
    servers = "".join(
        _SERVER.format(name=name, upstream=upstream, port=ports[name], folder=folder)
        for name, upstream in upstreams.items()
    ) + _NOTHING.format(port=ports[NGINX], folder=folder)
    nginx = Path(__file__).parents[1] / "nginx"
    (folder / "nginx.conf").write_text(
        _CONFIGURATION.format(folder=folder, nginx=nginx, servers=servers)
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [program, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]
    urls = {name: f"https://localhost:{port}" for name, port in ports.items()}
    with running(command, folder, NGINX_ENVIRONMENT) as server:
        server.wait(urls[NGINX])
        yield server, urls


def _certificate(folder: Path) -> None:
    # Of the kind that `make stack` makes: ECDSA on P-256.
    made = ensure_certificates(folder / "tls", datetime.now(UTC))
    shutil.copyfile(made.certificate, folder / "certificate.pem")
    shutil.copyfile(made.key, folder / "key.pem")
