"""One connection to the broker, from CONNECT to its end. A new one is made for each attempt.

All use of aiomqtt's and paho's insides is in this module, for what aiomqtt 2.5 has no public way to do:

- `_client`, the paho client: manual acknowledgement (so that a message is acked after its commit), and our own
  `on_publish`: aiomqtt makes an event and a timer for each publish.
- paho's `_sock_recv`: the socket is read here, in large pieces, and cut into packets by `link.stream`, which takes the
  messages out; paho gets the other packets by a `_sock_recv` that plays them back. So neither paho nor aiomqtt spends
  its time on messages, and a topic that aiomqtt does not like cannot end the connection at each redelivery.
- paho's `_packet_queue`: one write for all acks of a batch.
- `_connected`, `_disconnected`: to hear of a broker that hangs up instead of answering CONNECT (aiomqtt would wait for
  its time-out), and to wait for the end of the connection without reading messages.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

import aiomqtt
import paho.mqtt.client as paho
from aiomqtt.exceptions import MqttConnectError
from paho.mqtt.reasoncodes import ReasonCode

from fleet.settings import MqttSettings
from link.inbox import Received
from link.new_client import CONNECT_TIMEOUT, new_client
from link.stream import Stream

READ_AT_ONCE = 65_536  # bytes taken from the socket before others get a turn


class ConnectFailed(Exception):
    """No connection: the text says why. `answered`: the other side took the TCP connection.

    `wrong_protocol`: True if it said that it does not speak this version of MQTT, None if it only hung up.
    """

    def __init__(self, text: str, *, answered: bool, wrong_protocol: bool | None = False) -> None:
        super().__init__(text)
        self.answered = answered
        self.wrong_protocol = wrong_protocol


class Session:
    """An open connection. `resumed`: the broker kept our session and redelivers what was not acked."""

    def __init__(self, client: aiomqtt.Client, generation: int) -> None:
        self._client = client
        self._paho = client._client
        self._confirmations: dict[int, asyncio.Future[str]] = {}
        self.generation = generation
        self.resumed = False
        self.answered = False
        self._open = False
        self._playback = b""  # what paho reads next, instead of from the socket
        self._hung_up: OSError | None = None
        self._ended_by_peer = False

    # --- opening ---

    @classmethod
    async def open(
        cls,
        settings: MqttSettings,
        protocol: aiomqtt.ProtocolVersion,
        generation: int,
        subscriptions: Sequence[str],
        receive: Callable[[Received], None],
        on_accepted: Callable[[Session], None],
    ) -> Session:
        """Connect and subscribe. Raises ConnectFailed; leaves nothing open then.

        `receive` is called from the event loop for each message, from before the subscription is confirmed: a
        persistent session delivers at once, and fills the broker's window. So these are acked at once as well, on the
        session that `on_accepted` is called with before the first of them.
        """
        session = cls(new_client(settings, protocol), generation)
        session._hook(receive, on_accepted)
        try:
            await session._client.__aenter__()
        except (aiomqtt.MqttError, ValueError) as error:
            session._drop()
            raise session._failure(error, protocol) from None
        except BaseException:
            session._drop()
            raise
        try:
            await session._subscribe(subscriptions)
        except aiomqtt.MqttError as error:
            await session.close()
            raise ConnectFailed(f"Subscribing failed: {error}.", answered=True) from None
        except BaseException:
            await session.close()
            raise
        return session

    def _hook(self, receive: Callable[[Received], None], on_accepted: Callable[[Session], None]) -> None:
        inner, connecting = self._paho, self._client._connected
        loop = asyncio.get_running_loop()
        connected, disconnected, opened = inner.on_connect, inner.on_disconnect, inner.on_socket_open
        # aiomqtt has no switch for it: without this paho acks as soon as a message is in memory, and a crash before
        # the commit would lose it.
        inner.manual_ack_set(True)
        inner.disable_logger()
        self._receive = inner._sock_recv
        inner._sock_recv = self._play_back  # type: ignore[method-assign]
        five = inner.protocol == paho.MQTTv5
        self._stream = Stream(five, self.generation, receive, self._leave_to_paho)

        def on_publish(_client: object, _userdata: object, mid: int, code: ReasonCode, _properties: object) -> None:
            confirmation = self._confirmations.pop(mid, None)
            if confirmation is not None and not confirmation.done():
                confirmation.set_result(f"the broker refused it: {code}" if code.is_failure else "")

        def on_connect(*args: Any) -> None:
            flags, code = args[2], args[3]
            if not code.is_failure:
                self._open, self.resumed = True, bool(flags.session_present)
                on_accepted(self)
            connected(*args)  # type: ignore[misc]

        def on_disconnect(*args: Any) -> None:
            self._open = False
            disconnected(*args)  # type: ignore[misc]
            if not connecting.done():
                connecting.set_exception(aiomqtt.MqttError("the broker hung up"))
                connecting.exception()  # whoever waits gets it; if nobody does any more, asyncio need not report it

        def on_socket_open(*args: Any) -> None:
            self.answered = True
            opened(*args)  # type: ignore[misc]
            # We are in the thread that connects. This comes after aiomqtt's own reader, and takes its place.
            loop.call_soon_threadsafe(loop.add_reader, args[2].fileno(), self._read)

        inner.on_publish = on_publish
        inner.on_connect = on_connect
        inner.on_disconnect = on_disconnect
        inner.on_socket_open = on_socket_open

    async def _subscribe(self, subscriptions: Sequence[str]) -> None:
        if not subscriptions:
            return
        codes = await self._client.subscribe([(topic, 1) for topic in subscriptions], timeout=CONNECT_TIMEOUT)
        for topic, code in zip(subscriptions, codes, strict=True):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise aiomqtt.MqttError(f"the broker refused {topic} ({code})")

    def _failure(self, error: Exception, protocol: aiomqtt.ProtocolVersion) -> ConnectFailed:
        name = "5" if protocol is aiomqtt.ProtocolVersion.V5 else "3.1.1"
        if isinstance(error, MqttConnectError):
            wrong = "protocol version" in str(error).lower()
            return ConnectFailed(f"The broker refused us: {error}.", answered=True, wrong_protocol=wrong)
        if self.answered:
            return ConnectFailed(f"No answer to MQTT {name}: {error}.", answered=True, wrong_protocol=None)
        return ConnectFailed(f"No connection: {error}.", answered=False)

    # --- while open ---

    @property
    def is_open(self) -> bool:
        return self._open and not self._client._disconnected.done()

    async def ended(self) -> str:
        """Wait for the end of the connection; the text says why it ended."""
        gone = self._client._disconnected
        await asyncio.wait([gone])
        return str(gone.exception() or "closed by us")

    def _read(self) -> None:
        """Take what the socket has. What is left there after that calls this again, when everybody else had a turn."""
        try:
            data = self._receive(READ_AT_ONCE)
            if not data:
                self._ended_by_peer = True
                self._leave_to_paho(b"")
                return
            self._stream.feed(data)
        except BlockingIOError:
            return
        except OSError as error:
            self._hung_up = error
            self._leave_to_paho(b"")
            return
        except Exception as error:  # noqa: BLE001 - as aiomqtt does: whatever it is, the connection has ended
            if not self._client._disconnected.done():
                self._client._disconnected.set_exception(error)
            return
        if self._decrypted():  # this would wake nobody
            asyncio.get_running_loop().call_soon(self._read)

    def _leave_to_paho(self, packet: bytes) -> None:
        self._playback = packet
        self._paho.loop_read()

    def _play_back(self, bufsize: int) -> bytes:
        """What paho takes for its socket. Of an end of the connection it hears here as well."""
        piece, self._playback = self._playback[:bufsize], self._playback[bufsize:]
        if piece or self._ended_by_peer:
            return piece
        raise self._hung_up or BlockingIOError

    def _decrypted(self) -> bool:
        sock = self._paho.socket()
        return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0

    def ack(self, message_ids: Sequence[int]) -> None:
        """Send the PUBACKs of QoS 1 messages, which must be in the order of receipt [MQTT-4.6.0-2].

        As one write for all: paho's `ack` would be a system call for each.
        """
        packets = b"".join(b"\x40\x02" + message_id.to_bytes(2, "big") for message_id in message_ids)
        self._paho._packet_queue(paho.PUBACK, packets, message_ids[-1], 1)

    def publish(self, topic: str, payload: bytes, retain: bool) -> asyncio.Future[str]:
        """Send at QoS 1. The future's text is empty when the broker has confirmed, else the reason; it never raises."""
        confirmation: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # paho keeps for later what is published without a connection, and nobody would know: it is refused here.
        if not self.is_open:
            confirmation.set_result("not connected")
            return confirmation
        try:
            info = self._paho.publish(topic, payload, 1, retain)
        except ValueError as error:
            confirmation.set_result(f"cannot be sent: {error}")
            return confirmation
        if info.rc != paho.MQTT_ERR_SUCCESS:
            confirmation.set_result(paho.error_string(info.rc))
            return confirmation
        self._confirmations[info.mid] = confirmation
        return confirmation

    @property
    def holds_back(self) -> bool:
        """Something was published that the broker's end of the connection has no room for: it leaves when there is."""
        return self._paho.want_write()

    # --- closing ---

    def abort(self) -> None:
        """End the connection at once, so that nothing leaves any more: neither what is held back nor the system's part.

        The session stays with the broker. Whoever keeps the connection up hears of it as of any loss.
        """
        if sock := cast(socket.socket | None, self._paho.socket()):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # RST instead of FIN
        self._open = False
        self._paho._out_packet.clear()
        self._paho._sock_close()
        if not self._client._disconnected.done():
            self._client._disconnected.set_exception(aiomqtt.MqttError("given up by us: the broker took nothing more"))

    def fail_unconfirmed(self) -> None:
        """After the end: every publish that is still waiting learns that it is not known to have arrived."""
        waiting, self._confirmations = self._confirmations, {}
        for confirmation in waiting.values():
            if not confirmation.done():
                confirmation.set_result("the connection was lost before the broker confirmed")

    async def close(self) -> None:
        """Say goodbye (the session stays with the broker) and let go of the socket."""
        try:
            await self._client.__aexit__(None, None, None)
        except aiomqtt.MqttError:
            pass  # the other side is silent or gone
        finally:
            self._drop()
            self.fail_unconfirmed()

    def _drop(self) -> None:
        self._open = False
        self._paho._sock_close()
        for future in (self._client._connected, self._client._disconnected):
            if future.done() and not future.cancelled():
                future.exception()  # retrieved, so that asyncio does not report it
