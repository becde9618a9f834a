"""Each bench runs at a tiny size and tells figures. How large they are is nobody's business here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import BENCHES
from bench.measure import percentile
from bench.packets import Reader, publish

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("name", BENCHES)
def test_a_bench_runs_and_tells_figures(name: str, tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    words = [sys.executable, "-m", "bench", name, "--quick", "--json", str(file)]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert ran.returncode == 0, ran.stderr
    [result] = json.loads(file.read_text())["results"]
    assert result["bench"] == name
    assert result["figures"]
    assert result["notes"]
    for figure in result["figures"]:
        assert figure["what"] in " ".join(ran.stdout.split()) or len(figure["what"]) > 20  # the table may wrap it
        assert all(sample > 0 for sample in figure["muster"]["samples"])


def test_a_bench_that_does_not_exist_is_refused_with_those_that_do() -> None:
    words = [sys.executable, "-m", "bench", "speed"]
    ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 2
    assert "ingest" in ran.stderr


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_a_sample(share: float, expected: float) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == expected


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_a_stream_is_cut_into_its_packets_wherever_it_is_torn(piece: int) -> None:
    sent = [publish(f"dev-{number}/status", b"x" * number, number + 1) for number in (0, 1, 127, 128, 300)]
    stream, reader = b"".join(sent), Reader()
    found = [packet for at in range(0, len(stream), piece) for packet in reader.feed(stream[at : at + piece])]
    assert [(first, len(body)) for first, body in found] == [
        (0x32, len(each) - (2 if len(each) < 130 else 3)) for each in sent
    ]
