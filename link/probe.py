"""A look at the broker for `muster doctor`: does it let us in, what does it promise, how much does it send unacked?

The window towards us is measured, since a broker tells it to nobody: a session of our own, that acks nothing, is sent
more messages than any small window holds, and what arrives before the first ack is the window. Then everything is acked
and the session ends; nothing is retained and nothing stays behind. Topic `<prefix>muster-doctor/<random>`.

mosquitto 2.0 keeps `max_inflight_messages` towards MQTT 3.1.1 clients only; an MQTT 5 client gets what it asked for
in its own ReceiveMaximum, and reads the broker's setting, which then holds for what we publish, from the CONNACK.
"""

from __future__ import annotations

import secrets
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from fleet.settings import MqttProtocol, MqttSettings
from link.new_client import RECEIVE_MAXIMUM

SENT = 300  # messages to measure with: more than a small window, and fewer than the smallest usual queue (1,000)
_AT_ONCE = 10  # published before their confirmations are waited for: any broker takes so many
PATIENCE = 5.0  # seconds for each answer of the broker
_STALLED = 1.0  # seconds without a confirmation
_QUIET = 1.0  # seconds without another message: the window is full
PROMISES = (
    "ReceiveMaximum",
    "MaximumQoS",
    "RetainAvailable",
    "MaximumPacketSize",
    "WildcardSubscriptionAvailable",
    "SharedSubscriptionAvailable",
    "SessionExpiryInterval",
)
_DROPPED, _VERSION = "$SYS/broker/publish/messages/dropped", "$SYS/broker/version"


class Unreachable(Exception):
    """No connection; the text says why. `refused`: the broker answered, and did not let us in."""

    def __init__(self, text: str, *, refused: bool = False, wrong_protocol: bool = False) -> None:
        super().__init__(text)
        self.refused = refused
        self.wrong_protocol = wrong_protocol


@dataclass(slots=True)
class Seen:
    """What the broker showed. None: it did not say, or it could not be measured."""

    protocol: str
    window: int | None = None  # messages sent to us before an ack; at least SENT if all came
    lost: int = 0  # of SENT, those that never came, also after the acks
    unmeasured: str = ""  # why the window is not known
    promised: dict[str, int] = field(default_factory=dict)  # of `PROMISES`, those in the CONNACK; MQTT 5 only
    dropped: int | None = None  # messages, since the broker started
    version: str = ""


def look(settings: MqttSettings) -> Seen:
    """Connect and measure; takes a second or two, and blocks. Raises Unreachable."""
    wanted = {MqttProtocol.V5: (paho.MQTTv5,), MqttProtocol.V311: (paho.MQTTv311,)}
    versions = wanted.get(settings.protocol, (paho.MQTTv5, paho.MQTTv311))
    failure: Unreachable | None = None
    for version in versions:
        probe = _Probe(settings, version)
        try:
            return probe.run()
        except Unreachable as why:
            failure = failure or why
            if not why.wrong_protocol:
                raise
        finally:
            probe.close()
    assert failure is not None
    raise failure


class _Probe:
    """One connection in a thread of paho's, clean at its beginning and gone at its end."""

    def __init__(self, settings: MqttSettings, version: int) -> None:
        self._settings = settings
        self._five = version == paho.MQTTv5
        self._topic = f"{settings.topic_prefix}muster-doctor/{secrets.token_hex(6)}"
        self._changed = threading.Condition()
        self._accepted: ReasonCode | None = None
        self._hung_up = False
        self._granted: list[list[ReasonCode]] = []
        self._published = 0
        self._confirmed: list[ReasonCode] = []
        self._arrived: list[paho.MQTTMessage] = []
        self._acking = False
        self._seen = Seen(protocol="5" if self._five else "3.1.1")
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"{settings.client_id}-doctor",
            protocol=MQTTProtocolVersion(version),
            clean_session=None if self._five else True,
            manual_ack=True,
            reconnect_on_failure=False,
        )
        self._set_up()

    def _set_up(self) -> None:
        client, settings, tls = self._client, self._settings, self._settings.tls
        client.max_inflight_messages_set(0)
        client.connect_timeout = PATIENCE
        password = settings.password.get_secret_value() if settings.password else None
        if settings.username is not None:
            client.username_pw_set(settings.username, password)
        if tls.enabled:
            try:
                client.tls_set(
                    ca_certs=str(tls.ca_file) if tls.ca_file else None,
                    certfile=str(tls.cert_file) if tls.cert_file else None,
                    keyfile=str(tls.key_file) if tls.key_file else None,
                    cert_reqs=ssl.CERT_REQUIRED,
                )
            except (OSError, ValueError) as fault:
                raise Unreachable(f"A file of mqtt.tls cannot be used: {fault}.") from None
            client.tls_insecure_set(not tls.verify_hostname)
        client.on_connect, client.on_disconnect = self._on_connect, self._on_disconnect
        client.on_subscribe, client.on_publish = self._on_subscribe, self._on_publish
        client.on_message = self._on_message

    def run(self) -> Seen:
        self._connect()
        self._seen.unmeasured = self._subscribe(self._topic, 1) or self._measure()
        if not self._subscribe(_DROPPED, 0):  # some brokers hang up at this, so it comes last
            self._subscribe(_VERSION, 0)
            self._until(lambda: self._seen.dropped is not None, _QUIET)
        return self._seen

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connect(self) -> None:
        more: dict[str, Any] = {}
        if self._five:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            more = {"properties": properties, "clean_start": True}
        try:
            self._client.connect(self._settings.host, self._settings.port, keepalive=30, **more)
        except (OSError, ValueError) as fault:
            raise Unreachable(str(fault) or type(fault).__name__) from None
        self._client.loop_start()
        if not self._until(lambda: self._accepted is not None or self._hung_up):
            raise Unreachable(f"it took the connection and said nothing for {PATIENCE:.0f} s", wrong_protocol=True)
        if self._accepted is None:
            raise Unreachable("it hung up instead of answering", wrong_protocol=True)
        if self._accepted.is_failure:
            wrong = "protocol version" in str(self._accepted).lower()
            raise Unreachable(str(self._accepted), refused=True, wrong_protocol=wrong)

    def _subscribe(self, topic: str, qos: int) -> str:
        """Why it cannot be, or nothing."""
        before = len(self._granted)
        self._client.subscribe(topic, qos)
        self._until(lambda: len(self._granted) > before or self._hung_up)
        if len(self._granted) == before:
            return f"the broker did not answer to a subscription of {topic}"
        return f"the broker does not let us read {topic}" if self._granted[-1][0].is_failure else ""

    def _measure(self) -> str:
        """Why the window cannot be known, or nothing."""
        self._publish()
        refused = next((code for code in self._confirmed if code.is_failure), None)
        self._until_quiet()
        with self._changed:
            window = len(self._arrived)
            self._acking = True
            for message in self._arrived:
                self._client.ack(message.mid, message.qos)
        if refused is not None or not window:
            said = f" ({refused})" if refused is not None else ""
            return f"the broker does not let us write and read {self._topic}{said}"
        self._until(lambda: len(self._confirmed) >= self._published)
        self._until_quiet()
        self._seen.window, self._seen.lost = window, self._published - len(self._arrived)
        return ""

    def _publish(self) -> None:
        """A few at a time, since some brokers take nothing more from a client that has their window full."""
        while self._published < SENT:
            for _ in range(_AT_ONCE):
                self._client.publish(self._topic, b"muster doctor", qos=1)
            self._published += _AT_ONCE
            if not self._until(lambda: len(self._confirmed) >= self._published, _STALLED):
                return

    def _until(self, condition: Callable[[], bool], within: float = PATIENCE) -> bool:
        with self._changed:
            return self._changed.wait_for(condition, within)

    def _until_quiet(self) -> None:
        """Until all have arrived, or nothing more arrives."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while len(self._arrived) < self._published and time.monotonic() < deadline:
                before = len(self._arrived)
                self._changed.wait(_QUIET)
                if len(self._arrived) == before:
                    return

    # --- called by paho's thread ---

    def _on_connect(self, _client: Any, _data: Any, _flags: Any, code: ReasonCode, properties: Any) -> None:
        with self._changed:
            self._accepted = code
            self._seen.promised = {
                name: int(getattr(properties, name)) for name in PROMISES if hasattr(properties, name)
            }
            self._changed.notify_all()

    def _on_disconnect(self, *_: Any) -> None:
        with self._changed:
            self._hung_up = True
            self._changed.notify_all()

    def _on_subscribe(self, _client: Any, _data: Any, _mid: int, codes: list[ReasonCode], _properties: Any) -> None:
        with self._changed:
            self._granted.append(codes)
            self._changed.notify_all()

    def _on_publish(self, _client: Any, _data: Any, _mid: int, code: ReasonCode, _properties: Any) -> None:
        with self._changed:
            self._confirmed.append(code)
            self._changed.notify_all()

    def _on_message(self, client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        with self._changed:
            if message.topic == self._topic:
                self._arrived.append(message)
                if self._acking:
                    client.ack(message.mid, message.qos)
            elif message.topic == _DROPPED and message.payload.isdigit():
                self._seen.dropped = int(message.payload)
            elif message.topic == _VERSION:
                self._seen.version = message.payload.decode(errors="replace")
            self._changed.notify_all()
