"""What the connection has counted since the process started."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class LinkStats:
    received: int = 0  # messages taken from the broker
    batches: int = 0  # batches that on_batch took
    batch_failures: int = 0  # times that on_batch raised and the batch was kept
    acked: int = 0  # PUBACKs sent
    stale_acks: int = 0  # PUBACKs not sent: their connection is gone, the broker redelivers
    forgotten: int = 0  # queued messages let go at a reconnect, since the broker redelivers them
    dropped_qos0: int = 0  # QoS 0 messages that found the queue full
    published: int = 0  # PUBACKs received
    publish_failures: int = 0  # publishes without one
    reconnects: int = 0  # connections after the first
