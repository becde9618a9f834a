"""A client of aiomqtt as the settings of the broker say, not connected yet."""

from __future__ import annotations

import logging
import socket
import ssl
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from fleet.settings import MqttSettings

CONNECT_TIMEOUT = 10.0  # seconds for CONNACK and SUBACK
RECEIVE_MAXIMUM = 2_000  # unacked messages that an MQTT 5 broker may have under way to us

_logger = logging.getLogger("link.aiomqtt")
_logger.setLevel(logging.CRITICAL)  # every failure comes back as an exception, and is logged once, by the caller


def new_client(settings: MqttSettings, protocol: aiomqtt.ProtocolVersion) -> aiomqtt.Client:
    tls = settings.tls
    five: dict[str, Any] = {}
    if protocol is aiomqtt.ProtocolVersion.V5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        properties.SessionExpiryInterval = int(settings.session_expiry.total_seconds())
        properties.ReceiveMaximum = RECEIVE_MAXIMUM
        five = {"clean_start": False, "properties": properties}
    client = aiomqtt.Client(
        settings.host,
        settings.port,
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        identifier=settings.client_id,
        protocol=protocol,
        clean_session=None if five else False,
        keepalive=max(1, int(settings.keepalive.total_seconds())),
        timeout=CONNECT_TIMEOUT,
        logger=_logger,
        # 0 is "no limit" to paho: the window is kept by `publish`, and paho's own queue would be out of sight.
        max_inflight_messages=0,
        # paho leaves Nagle's algorithm on, and a small packet then waits for the ack of the one before: tens of ms.
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        tls_params=_tls(settings) if tls.enabled else None,
        tls_insecure=(not tls.verify_hostname) if tls.enabled else None,
        **five,
    )
    client.pending_calls_threshold = settings.publish_concurrency + 10
    return client


def _tls(settings: MqttSettings) -> aiomqtt.TLSParameters:
    def path(file: object) -> str | None:
        return str(file) if file else None

    tls = settings.tls
    return aiomqtt.TLSParameters(
        ca_certs=path(tls.ca_file),
        certfile=path(tls.cert_file),
        keyfile=path(tls.key_file),
        cert_reqs=ssl.CERT_REQUIRED,
    )
