"""What is measured: each cell is one kind of work, given to every entrant in turn."""

import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import zstandard

from bench import models
from bench.door import NGINX
from bench.launch import Running
from bench.ours import Gateway
from bench.peers import Payload, Rows

OURS = "gateway"
SAME_DOOR = ", same door"


@dataclass(frozen=True)
class Entrant:
    """One row of a cell's table: who is asked, where, and what."""

    name: str
    url: str
    payload: Payload


@dataclass(frozen=True)
class Place:
    """What runs while a model is measured.

    Args:
        doors: base URLs behind the shared nginx, by name of what stands behind.
        floors: base URLs of floors without nginx.
    """

    model: str
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
        quick: whether a quick run has it, too.
    """

    name: str
    model: str
    rows: int
    connections: int
    entrants: Callable[[Place, Rows], list[Entrant]]
    quick: bool = True


def _everybody(place: Place, rows: Rows) -> list[Entrant]:
    """JSON: ours, every peer directly and behind the same door."""
    own = place.gateway.rows(place.model, rows)
    found = [Entrant(OURS, place.gateway.url, own)]
    for one in place.peers:
        payload = one.peer.payload(rows)
        found.append(Entrant(one.peer.name, f"http://127.0.0.1:{one.port}", payload))
        found.append(Entrant(one.peer.name + SAME_DOOR, place.doors[one.peer.name], payload))
    return found + _floors(place, own)


def _floors(place: Place, payload: Payload) -> list[Entrant]:
    empty, read = replace(payload, path="/empty"), replace(payload, path="/read")
    return [
        Entrant(NGINX, place.doors[NGINX], empty),
        Entrant("Gunicorn alone", place.floors["hello"], empty),
        Entrant("empty Flask view", place.floors["floor"], empty),
        Entrant("empty Flask view" + SAME_DOOR, place.doors["floor"], empty),
        Entrant("view that reads" + SAME_DOOR, place.doors["floor"], read),
    ]


def _compressed(place: Place, rows: Rows) -> list[Entrant]:
    """gzip where it is read; ours with zstd too, and plain to compare with."""
    plain = place.gateway.rows(place.model, rows)
    found = [
        Entrant(f"{OURS}, plain", place.gateway.url, plain),
        Entrant(f"{OURS}, gzip", place.gateway.url, _gzipped(plain)),
        Entrant(f"{OURS}, zstd", place.gateway.url, _zstandard(plain)),
    ]
    for one in place.peers:
        if one.peer.gzip:
            url, payload = f"http://127.0.0.1:{one.port}", one.peer.payload(rows)
            found.append(Entrant(f"{one.peer.name}, plain", url, payload))
            found.append(Entrant(f"{one.peer.name}, gzip", url, _gzipped(payload)))
    return found


def _gzipped(payload: Payload) -> Payload:
    body = gzip.compress(payload.body, compresslevel=6)
    return replace(payload, body=body, headers={**payload.headers, "Content-Encoding": "gzip"})


def _zstandard(payload: Payload) -> Payload:
    body = zstandard.ZstdCompressor(level=3).compress(payload.body)
    return replace(payload, body=body, headers={**payload.headers, "Content-Encoding": "zstd"})


def _binary(place: Place, rows: Rows) -> list[Entrant]:
    """Binary forms of ours, and of peers that have one, beside the peers' JSON."""
    own = place.gateway.binary_forms(place.model, rows)
    found = [Entrant(f"{OURS}, {form}", place.gateway.url, own[form]) for form in own]
    for one in place.peers:
        if one.peer.binary is not None:
            url = f"http://127.0.0.1:{one.port}"
            found.append(Entrant(f"{one.peer.name}, JSON", url, one.peer.payload(rows)))
            found.append(Entrant(f"{one.peer.name}, tensor", url, one.peer.binary(rows)))
    read = replace(own["tensor"], path="/read")
    return [*found, Entrant("view that reads" + SAME_DOOR, place.doors["floor"], read)]


CELLS = (
    Cell("logistic, 1 row", "logistic", 1, 16, _everybody),
    Cell("logistic, 100 rows", "logistic", 100, 16, _everybody),
    Cell("logistic, 10,000 rows", "logistic", 10_000, 4, _everybody),
    Cell("logistic, 10,000 rows compressed", "logistic", 10_000, 4, _compressed),
    Cell("logistic, 10,000 rows binary", "logistic", 10_000, 4, _binary),
    Cell("forest, 1 row", "forest", 1, 16, _everybody),
    Cell("forest, 100 rows", "forest", 100, 16, _everybody, quick=False),
    Cell("boosting, 1 row", "boosting", 1, 16, _everybody),
    Cell("boosting, 10,000 rows", "boosting", 10_000, 4, _everybody, quick=False),
)


def entrants(cell: Cell, place: Place) -> list[Entrant]:
    return cell.entrants(place, models.rows(cell.rows).tolist())
