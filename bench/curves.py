"""Curves of `make scaling`: `python curves.py scaling.json curves.svg`; needs matplotlib alone."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Text stays text, and the same results give the same file.
mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif"}
_INK, _SOFT = "#1f6f8b", "#c98a3a"


def draw(curves: Any, path: Path) -> None:
    """What grows, a panel each."""
    figure = Figure(figsize=(13, 6), layout="constrained")
    panels = figure.subplots(2, 3)
    _workers(panels[0, 0], curves["workers"])
    _rows(panels[0, 1], curves["rows"], "rows/s", lambda rows, point: rows * point)
    _rows(panels[0, 2], curves["rows"], "worker CPU, µs a row", None)
    for axes, what in zip(panels[1], ("partners", "revocations", "models"), strict=True):
        _population(axes, what, curves[what])
    figure.savefig(path, metadata={"Date": None})


def _workers(axes: Axes, points: Any) -> None:
    one = {int(at.split(",")[0]): point for at, point in points.items() if at.endswith(" 1")}
    rates = [point["requests_per_s"] for point in one.values()]
    axes.plot(list(one), rates, "o-", color=_INK)
    axes.set_xticks(list(one))
    _finish(axes, "requests/s of 1 row, by workers", "workers")


def _rows(axes: Axes, points: Any, title: str, worth: Any) -> None:
    for form, colour in (("JSON", _INK), ("tensor", _SOFT)):
        found = {
            int(at.split(", ")[0].replace(",", "")): point
            for at, point in points.items()
            if at.endswith(form)
        }
        values = [
            worth(rows, point["requests_per_s"]) if worth else point["worker_cpu_us"] / rows
            for rows, point in found.items()
        ]
        axes.loglog(list(found), values, "o-", color=colour, label=form)
    axes.legend(fontsize=7, frameon=False)
    _finish(axes, f"{title}, by rows a call", "rows a call")


def _population(axes: Axes, what: str, points: Any) -> None:
    still = {at: point for at, point in points.items() if "/s" not in at}
    for key, colour, label in (
        ("worker_cpu_us", _INK, "worker"),
        ("all_cpu_us", _SOFT, "all processes"),
    ):
        axes.plot(list(still), [point[key] for point in still.values()], "o-", color=colour,
                  label=label)  # fmt: skip
    axes.legend(fontsize=7, frameon=False)
    _finish(axes, f"CPU of a request, µs, by {what}", what)


def _finish(axes: Axes, title: str, below: str) -> None:
    axes.set_title(title, fontsize=9, loc="left")
    axes.set_xlabel(below, fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_yscale() == "linear":
        axes.set_ylim(0, 1.1 * axes.get_ylim()[1])


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
