"""What is measured: each cell is one kind of work, given to every entrant in turn."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import zstandard

from bench import models
from bench.door import NGINX
from bench.entrants import (
    Entrant,
    InProcess,
    probabilities_of_kserve,
    read_json,
    read_tensor,
)
from bench.launch import Running
from bench.ours import Gateway
from bench.peers import Payload, Rows

OURS = "gateway"
SAME_DOOR = ", same door"
GUNICORN = "Gunicorn alone"
EMPTY = "empty Flask view"
READ = "view that reads"
IN_PROCESS = "in-process predict, 1 core"
FLOORS = (NGINX, GUNICORN, EMPTY, READ, IN_PROCESS)
# What bars are judged by; a quick run has no other floors.
JUDGED_FLOORS = (EMPTY + SAME_DOOR, READ + SAME_DOOR)
# Compiled models compute in single precision, within what their proof allows.
_OUR_TOLERANCE = 1e-6

AnyEntrant = Entrant | InProcess


@dataclass(frozen=True)
class Place:
    """What runs while a model is measured.

    Args:
        artifact: the model, as our own environment trained it.
        doors: base URLs behind the shared nginx, by name of what stands behind.
        floors: base URLs of floors without nginx.
    """

    model: str
    artifact: Path
    gateway: Gateway
    peers: tuple[Running, ...]
    doors: Mapping[str, str]
    floors: Mapping[str, str]


@dataclass(frozen=True)
class Cell:
    """One kind of work.

    Args:
        name: says model, rows and form.
        entrants: who takes part, given the place and its rows.
        floors: which floors stand beside them.
        leaders: the best peers at it by full runs, whom a quick run asks alone; none: it has no
            such cell.
    """

    name: str
    model: str
    rows: int
    connections: int
    entrants: Callable[[Place, Rows], list[Entrant]]
    floors: tuple[str, ...] = ()
    leaders: tuple[str, ...] = ()

    @property
    def large(self) -> bool:
        """Whether a request takes so long that a short turn would see only a few."""
        return self.rows >= 10_000


def _ours(name: str, place: Place, payload: Payload) -> Entrant:
    read = read_json(lambda answer: answer["probabilities"])
    return Entrant(name, place.gateway.url, payload, read, _OUR_TOLERANCE)


def _peer(one: Running, payload: Payload, form: str = "", url: str | None = None) -> Entrant:
    url = url or f"http://127.0.0.1:{one.port}"
    return Entrant(one.peer.name + form, url, payload, read_json(one.peer.answer))


def _direct(place: Place, rows: Rows) -> list[Entrant]:
    """JSON: ours with everything on, every peer as it is."""
    own = _ours(OURS, place, place.gateway.rows(place.model, rows))
    return [own, *(_peer(one, one.peer.payload(rows)) for one in place.peers)]


def _everybody(place: Place, rows: Rows) -> list[Entrant]:
    """The same, and every peer behind the same door, too."""
    found = _direct(place, rows)
    for one in place.peers:
        url = place.doors[one.peer.name]
        found.append(_peer(one, one.peer.payload(rows), SAME_DOOR, url))
    return found


def _compressed(place: Place, rows: Rows) -> list[Entrant]:
    """gzip where it is read; ours with zstd too, and plain to compare with."""
    plain = place.gateway.rows(place.model, rows)
    found = [
        _ours(f"{OURS}, plain", place, plain),
        _ours(f"{OURS}, gzip", place, _gzipped(plain)),
        _ours(f"{OURS}, zstd", place, _zstandard(plain)),
    ]
    for one in place.peers:
        if one.peer.gzip:
            payload = one.peer.payload(rows)
            found.append(_peer(one, payload, ", plain"))
            found.append(_peer(one, _gzipped(payload), ", gzip"))
    return found


def _gzipped(payload: Payload) -> Payload:
    body = gzip.compress(payload.body, compresslevel=6)
    return replace(payload, body=body, headers={**payload.headers, "Content-Encoding": "gzip"})


def _zstandard(payload: Payload) -> Payload:
    body = zstandard.ZstdCompressor(level=3).compress(payload.body)
    return replace(payload, body=body, headers={**payload.headers, "Content-Encoding": "zstd"})


def _binary(place: Place, rows: Rows) -> list[Entrant]:
    """Binary forms of ours, and of peers that have one, beside the peers' JSON."""
    forms = place.gateway.binary_forms(place.model, rows)
    found = [_ours(f"{OURS}, {form}", place, forms[form]) for form in forms]
    found[0] = replace(found[0], read=read_tensor)
    for one in place.peers:
        if one.peer.binary is not None:
            found.append(_peer(one, one.peer.payload(rows), ", JSON"))
            tensor = _peer(one, one.peer.binary(rows), ", tensor")
            found.append(replace(tensor, read=probabilities_of_kserve))
    return found


_FOUR = ("bare", "fastapi", "kserve", "mlserver")
# Where the model is the work, KServe is as fast as these two, and starts three times as long.
_TREES = ("bare", "fastapi")
CELLS = (
    Cell("logistic, 1 row", "logistic", 1, 16, _everybody,
         (NGINX, GUNICORN, EMPTY, EMPTY + SAME_DOOR, IN_PROCESS), _FOUR),
    Cell("logistic, 100 rows", "logistic", 100, 16, _everybody,
         (READ + SAME_DOOR, IN_PROCESS), _FOUR),
    Cell("logistic, 10,000 rows", "logistic", 10_000, 4, _everybody,
         (NGINX, READ + SAME_DOOR, IN_PROCESS), ("kserve", "mlserver")),
    Cell("logistic, 10,000 rows compressed", "logistic", 10_000, 4, _compressed,
         (), ("mlserver",)),
    Cell("logistic, 10,000 rows binary", "logistic", 10_000, 4, _binary,
         (READ + SAME_DOOR,), ("kserve",)),
    Cell("forest, 1 row", "forest", 1, 16, _direct, (IN_PROCESS,), _TREES),
    Cell("forest, 100 rows", "forest", 100, 16, _direct, (IN_PROCESS,)),
    Cell("boosting, 1 row", "boosting", 1, 16, _direct, (IN_PROCESS,), _TREES),
    Cell("boosting, 10,000 rows", "boosting", 10_000, 4, _direct, (IN_PROCESS,)),
)  # fmt: skip


def entrants(cell: Cell, place: Place, *, quick: bool) -> list[AnyEntrant]:
    rows = models.rows(cell.rows).tolist()
    if quick:
        leading = tuple(one for one in place.peers if one.peer.name in cell.leaders)
        place = replace(place, peers=leading)
    found: list[AnyEntrant] = [*cell.entrants(place, rows)]
    payload = found[0].payload if isinstance(found[0], Entrant) else None
    wanted = [name for name in cell.floors if not quick or name in JUDGED_FLOORS]
    return [*found, *(_floor(name, cell, place, payload) for name in wanted)]


def _floor(name: str, cell: Cell, place: Place, payload: Payload | None) -> AnyEntrant:
    if name == IN_PROCESS or payload is None:
        return InProcess(IN_PROCESS, place.artifact, cell.rows)
    path = "/read" if name.startswith(READ) else "/empty"
    urls = {
        NGINX: place.doors.get(NGINX, ""),
        GUNICORN: place.floors["hello"],
        EMPTY: place.floors["floor"],
        EMPTY + SAME_DOOR: place.doors.get("floor", ""),
        READ + SAME_DOOR: place.doors.get("floor", ""),
    }
    return Entrant(name, urls[name], replace(payload, path=path))
