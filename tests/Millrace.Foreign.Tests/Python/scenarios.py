"""What the tests have stomp.py do: python3 scenarios.py NAME VERSION PORT ARGUMENT..."""

import sys
import time

import stomp

from client import PATIENCE, Client, Refused, describe, hear, say


def exchange(version, port, destination):
    """One message through a queue, and the receipts of every frame that can ask for one."""
    client = Client(version, port).connect()
    say(connected=client.connected_headers)
    client.subscribe(destination)
    client.send(destination, '{"sku": 7}', "application/json", persistent="true", priority="7", colour="blue")
    say(message=describe(client.message()))
    client.unsubscribe()
    client.disconnect()
    client.gone.get(timeout=PATIENCE)
    say(ended=True)


def bodies(version, port, destination):
    client = Client(version, port).connect()
    client.subscribe(destination)
    for body in (bytes(range(256)) * 3, "Grüße, 世界 🌾".encode(), b"", b"\x00", b"line\r\nline\n", b"x" * 300_000):
        client.send(destination, body)
        came = client.message().body
        say(sent=len(body), same=came == body)
    client.disconnect()


def headers(sender_version, port, receiver_version, destination):
    """Header values that need escapes, from each version to each."""
    sender = Client(sender_version, port).connect()
    receiver = Client(receiver_version, port).connect()
    receiver.subscribe(destination)
    values = {"colons": "a:b:c", "path": "C:\\dir", "blank": " x ", "empty": "", "umlaut": "Grüße"}
    if sender_version != "1.0":
        values |= {"lines": "one\ntwo:x\\n", "na:me": "v"}
    if sender_version == "1.2":
        values["return"] = "one\r\ntwo"
    # The client escapes values and leaves names alone, in all of its versions.
    sender.send(destination, "x", **{name.replace("na:me", "na\\cme"): value for name, value in values.items()})
    came = receiver.message().headers
    say(sent=values, came={name: came.get(name) for name in values}, others=sorted(set(came) - set(values)))
    sender.disconnect()
    receiver.disconnect()


def acknowledge(version, port, destination, mode):
    """Of three messages the second is acknowledged; the connection is cut; what does another one get?"""
    sender = Client(version, port).connect()
    for body in ("a", "b", "c"):
        sender.send(destination, body)
    first = Client(version, port).connect()
    first.subscribe(destination, ack=mode)
    held = [first.message() for _ in range(3)]
    if mode != "auto":
        first.ack(held[1])
    second = Client(version, port).connect()
    second.subscribe(destination)
    first.cut()
    if mode == "client-individual":
        came = [second.message(), second.message()]
    elif mode == "client":
        came = [second.message()]
    else:
        came = []
    sender.send(destination, "end")
    came += second.messages_until(b"end")
    say(first=[describe(frame) for frame in held], second=[describe(frame) for frame in came])
    second.disconnect()
    sender.disconnect()


def refuse(version, port, queue):
    """NACK: again at once, after a time, and into the dead letters; the queue allows two deliveries of another message."""
    client = Client(version, port).connect()
    client.subscribe(f"/queue/{queue}", ack="client-individual")
    client.send(f"/queue/{queue}", "bad")
    first = client.message()
    client.nack(first)
    again = client.message()
    began = time.monotonic()
    client.nack(again, x_delay="400")
    late = client.message()
    seconds = time.monotonic() - began
    client.nack(late, requeue="false")
    client.send(f"/queue/{queue}", "worse")
    for _ in range(4):
        client.nack(client.message())
    client.subscribe(f"/dead/{queue}", id="browse", browser="true")
    browsed = client.messages_until(b"")
    client.subscribe(f"/dead/{queue}", id="dead", ack="client-individual")
    dead = [client.message(), client.message()]
    client.ack(dead[1])
    say(
        first=describe(first), again=describe(again), late=describe(late), seconds=seconds,
        browsed=[describe(frame) for frame in browsed], dead=[describe(frame) for frame in dead])
    client.disconnect()


def transactions(version, port, destination, results):
    """A message is acknowledged and its result sent, in a transaction that is aborted, then in one that is committed."""
    sender = Client(version, port).connect()
    sender.send(destination, "job")
    watcher = Client(version, port).connect()
    watcher.subscribe(results)
    worker = Client(version, port).connect()
    worker.subscribe(destination, ack="client-individual")
    job = worker.message()

    worker.stomp.begin("first")
    worker.stomp.send(results, "aborted", headers={"transaction": "first"})
    worker.ack(job, transaction="first")
    worker.abort("first")
    sender.send(results, "between")
    say(after_abort=[describe(frame) for frame in watcher.messages_until(b"between")])

    worker.stomp.begin("second")
    worker.stomp.send(results, "one", headers={"transaction": "second"})
    worker.stomp.send(results, "two", headers={"transaction": "second", "receipt": "inside"})
    worker.ack(job, transaction="second")
    sender.send(results, "before")
    before = watcher.messages_until(b"before")
    worker.stomp.commit("second", receipt="outside")
    say(before_commit=[describe(frame) for frame in before], receipts=[worker.receipts.get(timeout=PATIENCE) for _ in range(2)])
    say(after_commit=[describe(watcher.message()) for _ in range(2)])

    worker.cut()
    sender.send(destination, "end")
    watcher.subscribe(destination, id="2")
    say(left=[describe(frame) for frame in watcher.messages_until(b"end")])
    watcher.disconnect()
    sender.disconnect()


def beat(version, port, destination):
    """Heart-beats both ways keep the connection for longer than either side would wait without."""
    client = Client(version, port, heartbeats=(300, 300)).connect()
    began = time.monotonic()
    beats = 0
    # The broker takes a client to be gone after twice 300 ms and a second.
    while beats < 5 or time.monotonic() - began < 2.5:
        client.beats.get(timeout=PATIENCE)
        beats += 1
    client.subscribe(destination)
    client.send(destination, "alive")
    say(agreed=client.connected_headers["heart-beat"], body=client.message().body.decode(), seconds=time.monotonic() - began)
    client.disconnect()


def hold(version, port, destination, beats="0"):
    """Takes a message, does not acknowledge it, and waits."""
    client = Client(version, port, heartbeats=(int(beats), 0)).connect()
    client.subscribe(destination, ack="client-individual")
    client.send(destination, "job")
    say(held=describe(client.message()))
    hear()


def take(version, port, destination, count="1"):
    """Waits for messages, and takes them."""
    client = Client(version, port).connect()
    client.subscribe(destination, ack="client-individual")
    say(waiting=True)
    for _ in range(int(count)):
        frame = client.message()
        client.ack(frame)
        say(took=describe(frame))
    client.disconnect()


def durable(version, port, topic):
    """A subscription that gathers while its owner is away, until it is deleted."""
    def subscribe():
        owner = Client(version, port).connect(client_id="till-4")
        owner.subscribe(f"/topic/{topic}.*", id="prices", durable="true")
        return owner

    sender = Client(version, port).connect()
    owner = subscribe()
    sender.send(f"/topic/{topic}.eur", "1")
    live = describe(owner.message())
    owner.disconnect()
    sender.send(f"/topic/{topic}.eur", "2")
    sender.send(f"/topic/{topic}.usd", "3")
    sender.send("/topic/another", "no")
    owner = subscribe()
    say(live=live, waited=[describe(owner.message()) for _ in range(2)])
    owner.unsubscribe("prices", durable="true")
    sender.send(f"/topic/{topic}.eur", "4")
    owner.subscribe(f"/topic/{topic}.*", id="prices", durable="true")
    sender.send(f"/topic/{topic}.eur", "5")
    say(after_delete=describe(owner.message()))
    owner.unsubscribe("prices", durable="true")
    owner.disconnect()
    sender.disconnect()


def topics(version, port, topic):
    """Everybody who is subscribed gets a topic's message; patterns on SUBSCRIBE."""
    one, all = Client(version, port).connect(), Client(version, port).connect()
    one.subscribe(f"/topic/{topic}.eur")
    all.subscribe(f"/topic/{topic}.*")
    one.send(f"/topic/{topic}.usd", "1")
    one.send(f"/topic/{topic}.eur", "2")
    say(one=describe(one.message()), all=[describe(all.message()), describe(all.message())])
    one.disconnect()
    all.disconnect()


def ask(version, port, destination):
    """A request, and its answer by a temporary queue."""
    service = Client(version, port).connect()
    service.subscribe(destination)
    asker = Client(version, port).connect()
    asker.send(destination, "what?", reply_to="/temp-queue/answers", correlation_id="c-1")
    request = service.message()
    service.send(request.headers["reply-to"], "that", correlation_id=request.headers["correlation-id"])
    say(request=describe(request), answer=describe(asker.message()))
    asker.disconnect()
    service.send(request.headers["reply-to"], "too late")
    service.disconnect()


def fault(version, port):
    """A frame that cannot be carried out: an ERROR that says which, and the end of the connection."""
    client = Client(version, port).connect()
    try:
        client.send("/nowhere/at/all", "x")
    except Refused as refused:
        say(error=describe(refused.frame))
    client.gone.get(timeout=PATIENCE)
    say(ended=True)


def login(version, port, name, password, destination, forbidden):
    """A user, and what the user may do."""
    client = Client(version, port)
    try:
        client.connect(*([name, password] if name else []))
        client.subscribe(destination)
        client.send(destination, "mine")
        say(body=client.message().body.decode())
        client.send(forbidden, "not mine")
    except Refused as refused:
        say(error=describe(refused.frame))
    except stomp.exception.ConnectFailedException:
        say(refused=describe(client.messages.get(timeout=PATIENCE)))


def encrypted(version, port, host, trusted, password, destination):
    """TLS, with the certificate checked against one authority."""
    client = Client(version, port, host=host, trusted=trusted)
    try:
        client.connect("ada", password)
    except stomp.exception.ConnectFailedException:
        say(refused=True)
        return
    client.subscribe(destination)
    client.send(destination, "secret")
    say(body=client.message().body.decode(), cipher=client.stomp.transport.socket.version())
    client.disconnect()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
