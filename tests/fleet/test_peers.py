"""A device's numbers beside its peers'."""

from __future__ import annotations

import pytest

from fleet.peers import LEAST_PEERS, beside


def numbers(
    cpu: float = 20.0, disk: float = 50.0, uptime: float = 90_000.0, connections: float = 1
) -> dict[str, float | None]:
    return {
        "cpu_percent": cpu,
        "ram_used_bytes": None,
        "ram_total_bytes": 4.0,
        "disk_used_bytes": disk,
        "disk_total_bytes": 100.0,
        "uptime_seconds": uptime,
        "mqtt_connections": connections,
    }


PEERS = [numbers(cpu=18.0 + number) for number in range(LEAST_PEERS)]


@pytest.mark.parametrize(
    ("own", "marks"),
    [
        (numbers(), {}),
        (numbers(cpu=29.0), {}),  # far in deviations, but not by much
        (numbers(cpu=60.0), {"cpu": "above its peers"}),
        (numbers(disk=10.0), {"disk": "below its peers"}),
        (numbers(disk=95.0), {"disk": "nearly full"}),
        (numbers(uptime=60.0), {"uptime": "just started"}),
        (numbers(uptime=9e7), {}),
        (numbers(connections=12), {"connections": "above its peers"}),
    ],
)
def test_what_is_out_of_line_is_marked_with_why(own: dict[str, float | None], marks: dict[str, str]) -> None:
    assert {row.name: row.mark for row in beside(own, PEERS) if row.mark} == marks


def test_few_peers_are_no_crowd_and_a_missing_number_is_none() -> None:
    rows = {row.name: row for row in beside(numbers(cpu=80.0), PEERS[:-1])}
    assert (rows["cpu"].mark, rows["cpu"].median, rows["cpu"].peers) == ("", 19.5, LEAST_PEERS - 1)
    assert (rows["ram"].value, rows["ram"].median, rows["ram"].mark) == (None, None, "")
