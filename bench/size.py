"""How much a bench does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """`FULL` is what the goals are stated for; `QUICK` only shows that everything runs."""

    devices: int = 1_000_000  # drift_query, sweep_idle
    repeats: int = 20  # of queries
    statuses: int = 60_000  # a round of ingest
    ingest_devices: int = 100_000
    pushes: int = 10_000
    rounds: int = 5  # of ingest, push and campaign, each of Muster and floor
    planned: int = 100_000  # devices of one campaign
    restarts: int = 500  # with a stagger
    stopped: int = 30_000  # drifted devices of stop-all
    status_devices: int = 100_000
    commands: int = 1_000
    pings: int = 300  # one after the other
    pinged: int = 1_000  # devices, by one command
    logs: int = 200  # requests at a time
    postgres: bool = True


FULL = Size()
QUICK = Size(
    devices=5_000,
    repeats=3,
    statuses=3_000,
    ingest_devices=3_000,
    pushes=300,
    rounds=1,
    planned=2_000,
    restarts=100,
    stopped=600,
    status_devices=2_000,
    commands=20,
    pings=10,
    pinged=40,
    logs=8,
    postgres=False,
)
