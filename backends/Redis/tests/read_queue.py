# Reads what the section "Redis: queues" of docs/formats.md describes, with nothing but the page and a Redis client: arguments are the port and the prefix.
import hashlib
import struct
import sys
import uuid

import redis

client = redis.Redis(port=int(sys.argv[1]))
prefix = f"{{{sys.argv[2]}:queue:q}}:"
state = struct.unpack("<40d", client.get(prefix + "queue"))
salt = int(state[1])


def short(data, at):
    return data[at + 1:at + 1 + data[at]].decode(), at + 1 + data[at]


def read(number):
    data = client.hget(prefix + "messages", number)
    enqueued, flags, priority, size = struct.unpack_from("<QBBI", data)
    at = 14
    message = {"priority": priority}
    if flags & 1:
        message["hash"] = data[at:at + 16]
        at += 16
    if flags & 2:
        message["life"] = struct.unpack_from("<Q", data, at)[0]
        at += 8
    if flags & 4:
        message["key"], at = short(data, at)
    if flags & 1:
        message["id"], at = short(data, at)
        assert message["hash"] == hashlib.sha256(message["id"].encode()).digest()[:16]
        assert number in (client.hget(prefix + "ids", message["hash"]) or client.hget(prefix + "dead:ids", message["hash"]))
    else:
        place = int(number) - 1000000000000000
        high = enqueued // 1000 << 16 | 0x7000 | place >> 36
        low = 1 << 63 | (place & (1 << 36) - 1) << 26 | salt
        message["id"] = str(uuid.UUID(int=high << 64 | low))
    if flags & 8:
        message["type"], at = short(data, at)
    if flags & 16:
        count = struct.unpack_from("<H", data, at)[0]
        at += 2
        headers = []
        for _ in range(2 * count):
            length = struct.unpack_from("<I", data, at)[0]
            headers.append(data[at + 4:at + 4 + length].decode())
            at += 4 + length
        message["headers"] = ",".join("=".join(pair) for pair in zip(headers[::2], headers[1::2]))
    message["body"] = data[at:].decode()
    assert len(data) - at == size
    return message


def show(where, number):
    message = read(number)
    words = [where, message["body"], message["id"], f"p{message['priority']}"]
    words += [f"{name}:{message[name]}" for name in ("key", "life", "type", "headers") if name in message]
    what = client.hget(prefix + "states", number)
    if what:
        attempts, flags, _, _, _, dead_attempts, length = struct.unpack_from("<IBdddII", what)
        words.append(f"attempts:{attempts}")
        if flags & 4:
            words.append(f"reason:{what[37:37 + length].decode()}/{dead_attempts}")
        if flags & 2:
            words.append(f"error:{what[37 + length:].decode()}")
    print(*words)


for priority in range(9, -1, -1):
    for number in client.lrange(f"{prefix}new:{priority}", 0, -1):
        show("new", number)
    for number in client.zrange(f"{prefix}back:{priority}", 0, -1):
        show("back", number)
    for number in client.zrange(f"{prefix}blocked:{priority}", 0, -1):
        show("blocked", number)
    for number in client.zrange(f"{prefix}dead:back:{priority}", 0, -1):
        show("dead", number)
for number in client.zrange(prefix + "due", 0, -1):
    show("due", number)
for number, token in client.hgetall(prefix + "leased").items():
    if len(number) == 16:
        print("leased", read(number)["body"], f"{struct.unpack('<Q', token[:8])[0]:016x}{int(number):016x}")
print("counts", *(int(value) for value in (*state[7:9], *state[10:12], state[15], state[23])))
