"""How results are shown: a table for people, JSON for programs."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.measure import Figure, Result, Series


def machine() -> str:
    """What the figures were taken on."""
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}"


def show(results: Sequence[Result], console: Console) -> None:
    table = Table(title=f"Muster beside its floor ({machine()})", title_justify="left")
    for name in ("bench", "what", "unit"):
        table.add_column(name)
    for name in ("Muster (low–high)", "floor (low–high)", "ratio"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("goal")
    for result in results:
        for figure in result.figures:
            table.add_row(result.bench, *_cells(figure))
        table.add_section()
    console.print(table)
    for result in results:
        for note in result.notes:
            console.print(f"{result.bench}: {note}", highlight=False, markup=False, soft_wrap=True)


def _cells(figure: Figure) -> list[str]:
    ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
    goal = f"{figure.goal} {'met' if figure.met else 'MISSED'}" if figure.goal else ""
    return [figure.what, figure.unit, _spread(figure.muster), _spread(figure.floor), ratio, goal]


def _spread(series: Series | None) -> str:
    if series is None:
        return ""
    if len(series.samples) == 1:
        return _number(series.median)
    return f"{_number(series.median)} ({_number(series.low)}–{_number(series.high)})"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def write(results: Sequence[Result], file: Path) -> None:
    """Every sample, so that other statistics can be made of them."""
    told = {"machine": machine(), "results": [_as_json(result) for result in results]}
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n")


def _as_json(result: Result) -> dict[str, Any]:
    figures = []
    for figure in result.figures:
        medians = {"muster_median": figure.muster.median, "ratio": figure.ratio}
        if figure.floor:
            medians["floor_median"] = figure.floor.median
        figures.append({**asdict(figure), **medians})
    return {"bench": result.bench, "figures": figures, "notes": result.notes}
