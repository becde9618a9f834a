"""A histogram as a picture. matplotlib takes a second to load, so only whoever draws loads it, in a thread."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence


async def png(values: Sequence[float], title: str, unit: str) -> bytes:
    """How `values` are spread, with the median and the 95th percentile marked. Needs at least one value."""
    return await asyncio.to_thread(_drawn, values, title, unit)


def _drawn(values: Sequence[float], title: str, unit: str) -> bytes:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), dpi=120, layout="constrained")
    axes = figure.add_subplot()
    ordered = sorted(values)
    p50, p95 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.95))
    axes.hist(ordered, bins=min(50, max(10, len(ordered) // 20)), color="#4a90d9")
    for value, name, colour in ((p50, "half within", "#2c3e50"), (p95, "95 % within", "#c0392b")):
        axes.axvline(value, color=colour, linestyle="--", label=f"{name} {value:,.0f} {unit}")
    axes.set(title=title, xlabel=unit, ylabel="devices")
    axes.legend()
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()
