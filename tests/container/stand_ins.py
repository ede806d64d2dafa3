"""Images by the names of the official ones, where no registry can be reached.

They are made of Debian's packages: another build of Python 3.11, nginx, Redis and PostgreSQL, with
the Dockerfile and the composition untouched.
"""

import subprocess
import tempfile
from pathlib import Path

from engine import NGINX_IMAGE, POSTGRES_IMAGE, PYTHON_IMAGE, REDIS_IMAGE, Engine, NoEngine

SERVERS = (NGINX_IMAGE, REDIS_IMAGE, POSTGRES_IMAGE)
# PostgreSQL's user has the number that the official image gives it.
_SERVERS = f"""\
FROM {PYTHON_IMAGE}
RUN groupadd -g 999 postgres && useradd -u 999 -g 999 -d /var/lib/postgresql postgres \\
    && apt-get update -q && apt-get install -y -q --no-install-recommends \\
        nginx-light redis-server postgresql \\
    && rm -rf /var/lib/postgresql && install -d -o 999 -g 999 -m 1777 /var/lib/postgresql/data
COPY docker-entrypoint.sh /usr/local/bin/
ENV PGDATA=/var/lib/postgresql/data LANG=C.UTF-8
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
"""
# What the official image documents of its first start, and no more: a cluster of its own owner, an
# empty database, the scripts that were mounted, and a password for whoever comes by the network.
_POSTGRES_ENTRYPOINT = """\
#!/bin/sh
set -eu
PATH=$(echo /usr/lib/postgresql/*/bin):$PATH
mkdir -p /var/run/postgresql
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    chmod 700 "$PGDATA"
    initdb -U "$POSTGRES_USER" --pwfile "$POSTGRES_PASSWORD_FILE" $POSTGRES_INITDB_ARGS
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    echo "listen_addresses = '*'" >>"$PGDATA/postgresql.conf"
    pg_ctl -o "-c listen_addresses=" -w start
    psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE $POSTGRES_DB"
    for script in /docker-entrypoint-initdb.d/*.sql; do
        psql -v ON_ERROR_STOP=1 -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$script"
    done
    pg_ctl -m fast -w stop
fi
exec "$@"
"""


def make(engine: Engine, folder: Path) -> None:
    """Those that are not there yet. `folder` has room for an archive.

    Raises: NoEngine.
    """
    if not _has(engine, PYTHON_IMAGE):
        _make_base(engine, folder)
    if not all(_has(engine, image) for image in SERVERS):
        _make_servers(engine)


def _has(engine: Engine, image: str) -> bool:
    return engine.run("image", "exists", _full(image), check=False).returncode == 0


def _full(image: str) -> str:
    # The name under which every engine looks for a short one.
    return f"docker.io/library/{image}"


def _make_base(engine: Engine, folder: Path) -> None:
    """Debian with its Python 3.11, where the image of that name is expected to have it."""
    archive = folder / "base.tar"
    command = ["mmdebstrap", "--mode=root", "--variant=minbase"]
    command += ["--include=ca-certificates,python3,python3-venv,python3-pip"]
    for hook in (
        'ln -s /usr/bin/python3 "$1/usr/local/bin/python3"',
        'ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
        'rm -f "$1"/usr/lib/python3.*/EXTERNALLY-MANAGED',
    ):
        command.append(f"--customize-hook={hook}")
    command += ["bookworm", str(archive), "-"]
    done = subprocess.run(
        command, input=_sources(), capture_output=True, text=True, timeout=400, check=False
    )
    if done.returncode != 0:
        raise NoEngine(f"no stand-in for {PYTHON_IMAGE}: {done.stderr[-2000:]}")
    path = "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin"
    engine.run("import", "-q", "--change", path, str(archive), _full(PYTHON_IMAGE))
    archive.unlink()


def _sources() -> str:
    """This machine's own package sources, those of Debian 12."""
    lines = subprocess.run(
        [
            *("apt-get", "indextargets", "--format", "deb $(REPO_URI) $(RELEASE) main"),
            "Created-By: Packages",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    suites = ("bookworm", "bookworm-updates", "bookworm-security")
    found = sorted({line for line in lines if line.split()[2:] and line.split()[2] in suites})
    if not found:
        raise NoEngine("apt knows no sources of Debian 12 (bookworm) to make stand-in bases of")
    return "\n".join(found) + "\n"


def _make_servers(engine: Engine) -> None:
    """One image by three names: the composition says which program each runs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "Dockerfile").write_text(_SERVERS)
        (folder / "docker-entrypoint.sh").write_text(_POSTGRES_ENTRYPOINT)
        (folder / "docker-entrypoint.sh").chmod(0o755)
        tags = [word for image in SERVERS for word in ("-t", _full(image))]
        engine.run("build", "-q", *engine.build_options, *tags, name, timeout_s=300)
