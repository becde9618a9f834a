"""Devices over MQTT: what is said (`topics`, `wire`) and the one connection it goes over (`client`, `publish`).

topics = Topics(settings.topic_prefix)              # link.topics
device_id, kind = topics.read(received.topic)       # raises Unreadable(reason)
said = wire.read(device_id, kind, payload, limit)   # a model of wire.MODELS; raises Unreadable(reason)

async def on_batch(batch: Sequence[Received]) -> None: ...   # returns when committed; may raise: same batch again
connection = Connection(settings, topics.subscriptions(settings.shared_group), on_batch)   # link.client
task = asyncio.create_task(connection.run())        # connects, reconnects, hands over and acks, until cancelled
await connection.wait_connected()
connection.connected, connection.last_error, connection.stats   # bool, str, LinkStats

publisher = Publisher(connection)                   # link.publish
message = Outgoing(topics.of("dev-1", Order.CONFIG_DESIRED), wire.ConfigDesired(...).encode(), retain=True)
outcomes = await publisher.publish_many([message])  # Outcome(sent, reason) each, in order; raises nothing per message
"""
