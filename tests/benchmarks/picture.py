"""The processor's time of a call, target by target, as a picture for the docs."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from . import calls
from .calls import GATE, Results

_OURS, _THEIRS = "#1f6f54", "#b9bfc6"
_INCH_A_ROW = 0.34


def draw(results: Results, path: Path) -> None:
    """One bar for each target, on a scale on which a tenfold is always as long."""
    mpl.rcParams["svg.hashsalt"] = "apikeychain"
    names = sorted(results, key=lambda name: -calls.median(results, name, lambda load: load.cpu))
    costs = [calls.median(results, name, lambda load: load.cpu) * 1e6 for name in names]
    figure = Figure(figsize=(8, 1 + _INCH_A_ROW * len(names)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(names, costs, color=[_OURS if name.startswith(GATE) else _THEIRS for name in names])
    axes.bar_label(bars, [f"{cost:.0f}" for cost in costs], padding=3)
    axes.set_xscale("log")
    axes.set_xlabel("us of the processor for a call, 16 connections, one worker (logarithmic)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, metadata={"Date": None})
