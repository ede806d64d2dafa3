"""The chart of one run: `python chart.py results.json chart.svg`; needs matplotlib alone."""

import json
import statistics
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

# Text stays text, and the same results give the same file.
mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "bench", "font.family": "sans-serif"}

_OURS, _OTHERS = "#1f6f8b", "#c5cdd3"
_COLUMNS = 3
_TITLE = (
    "Requests per second on two cores. The gateway has TLS, tokens, limits, validation and logs on;"
    " the others have none of it."
)


def draw(document: Any, path: Path) -> None:
    """Requests per second of everybody, a panel a cell; what stands behind one door is left out."""
    cells = {name: _rates(rows) for name, rows in document["cells"].items()}
    lines = -(-len(cells) // _COLUMNS)
    figure = Figure(figsize=(13, 2.7 * lines), layout="constrained")
    for at, (name, rates) in enumerate(cells.items()):
        axes = figure.add_subplot(lines, _COLUMNS, at + 1)
        names = sorted(rates, key=rates.__getitem__)
        colours = [_OURS if name.startswith("gateway") else _OTHERS for name in names]
        bars = axes.barh(names, [rates[name] for name in names], color=colours)
        axes.bar_label(bars, fmt="{:,.0f}", padding=3, fontsize=7)
        axes.set_title(name, fontsize=9, loc="left")
        axes.tick_params(labelsize=7, length=0)
        axes.margins(x=0.18)
        axes.spines[["top", "right", "bottom"]].set_visible(False)
        axes.set_xticks([])
    figure.suptitle(_TITLE, fontsize=10, x=0.01, ha="left")
    figure.savefig(path, metadata={"Date": None})


def _rates(rows: Any) -> dict[str, float]:
    # Floors are no servers of models, and would make every other bar short.
    floors = ("nginx", "Gunicorn", "empty", "view", "in-process")
    return {
        row["entrant"]: statistics.median(one["requests_per_s"] for one in row["rounds"])
        for row in rows
        if "same door" not in row["entrant"] and not row["entrant"].startswith(floors)
    }


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))
