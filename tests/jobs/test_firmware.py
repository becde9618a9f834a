"""Firmware orders as devices get them, and what they say of an update."""

from __future__ import annotations

import json

import pytest

from fleet.operation import OperationKind, OperationState
from storage import operations
from storage.db import AnyRow, Database
from tests import build
from tests.conftest import NOW, settings_for
from tests.house import House
from tests.typed import refused, types

SHA = "0f" * 32


@pytest.fixture
async def house(db: Database) -> House:
    house = House(db, settings_for(), NOW)
    models = {"dev-1": "gw2", "dev-2": "pump", "dev-3": "old"}
    await build.fleet(db, NOW, [build.device(each, NOW, model=model) for each, model in models.items()])
    await types(house, f"firmware add 2.0 https://files.example.com/any {SHA} 500 --model pump")
    await types(house, f"firmware add 2.0 https://files.example.com/gw2 {SHA.upper()} 900 --model gw2")
    return house


async def ordered(house: House, *device_ids: str) -> None:
    async with house.db.begin() as session:
        row = {"kind": OperationKind.FIRMWARE, "version": "2.0", "requested_by": "ann", "campaign_id": "ca-1"}
        times = {"created_at": house.now, "due_at": house.now}
        await operations.add(session, [{"id": f"op-{each}", "device_id": each, **row, **times} for each in device_ids])
    await house.settle()


async def operation(house: House, device_id: str) -> AnyRow:
    async with house.db.read() as session:
        return (await operations.of_device(session, device_id, 1))[0]


async def test_each_model_is_ordered_its_own_artefact_and_one_without_any_is_left_alone(house: House) -> None:
    await ordered(house, "dev-1", "dev-2", "dev-3")
    sent = {each.topic: (each.retain, json.loads(each.payload)) for each in house.publish.sent}
    assert sent.keys() == {"dev-1/firmware/desired", "dev-2/firmware/desired"}
    retained, order = sent["dev-1/firmware/desired"]
    assert retained
    assert order == {
        "version": "2.0",
        "url": "https://files.example.com/gw2",
        "sha256": SHA,
        "size": 900,
        "campaign": "ca-1",
        "operation_id": "op-dev-1",
        "attempt": 1,
    }
    assert (await operation(house, "dev-3")).state is OperationState.CANCELLED


async def test_progress_is_shown_and_a_rollback_is_a_refusal_in_the_devices_words(house: House) -> None:
    await ordered(house, "dev-1", "dev-2")
    await house.hear("dev-1/firmware/state", {"version": "2.0", "state": "downloading", "progress": 40})
    shown = await types(house, "device show dev-1")
    assert shown.data["updating"] == ["2.0", "downloading", 40.0]
    assert (await operation(house, "dev-1")).state is OperationState.SENT
    for _ in range(2):  # a batch may come twice
        await house.hear("dev-1/firmware/state", {"version": "2.0", "state": "rolled_back", "error": "no network"})
    assert (await operation(house, "dev-1")).state is OperationState.REJECTED
    assert (await operation(house, "dev-1")).error == "It rolled back: no network"
    await house.hear("dev-2/firmware/state", {"version": "1.9", "state": "failed", "error": "of another update"})
    assert (await operation(house, "dev-2")).state is OperationState.SENT


async def test_an_artefact_never_changes(house: House) -> None:
    again = await types(house, f"firmware add 2.0 https://files.example.com/gw2 {SHA} 900 --model gw2")
    assert not again.data["new"]
    other = await refused(house, f"firmware add 2.0 https://files.example.com/gw2 {SHA} 901 --model gw2")
    assert "An artefact never changes" in other
    assert "is no SHA-256" in await refused(house, "firmware add 2.1 https://files.example.com/x abc 9")
    assert "is no address" in await refused(house, f"firmware add 2.1 ftp://files.example.com/x {SHA} 9")
    assert "There is no firmware called 2.9. Did you mean 2.0?" in await refused(house, "firmware show 2.9")
