# Reads what docs/formats.md describes, with nothing but the page and a Redis client: arguments are the port and the prefix.
import struct
import sys

import redis


def length(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:
            return value, at


def chunk(data, at):
    size, at = length(data, at)
    return data[at:at + size], at + size


def headers(data, at):
    count, at = length(data, at)
    found = []
    for _ in range(count):
        name, at = chunk(data, at)
        value, at = chunk(data, at)
        found.append(f"{name.decode()}={value.decode()}")
    return ",".join(found), at


client = redis.Redis(port=int(sys.argv[1]))
prefix = sys.argv[2]

print("lock", *(client.hget(f"{{{prefix}:lock:l}}:lock", field).decode() for field in ("owner", "token")))

state = f"{{{prefix}:state}}:"
for key in client.zrangebylex(state + "keys", "-", "+"):
    version, value = client.hget(state + "documents", key).split(b":", 1)
    print("state", key.decode(), version.decode(), value.decode())

for entry, fields in client.xrange(f"{{{prefix}:channel}}:messages"):
    data = fields[b"e"]
    has_type, at = length(data, 0)
    content_type = b""
    if has_type:
        content_type, at = chunk(data, at)
    found, at = headers(data, at)
    print("channel", entry.decode(), fields[b"t"].decode(), content_type.decode(), found, data[at:].decode())

stream = f"{{{prefix}:stream:s/0}}:"
for entry, fields in client.xrange(stream + "records"):
    offset = int(entry.split(b"-")[0]) - 1
    data, at = fields[b"d"], 0
    for i in range(int(fields[b"n"])):
        ticks = struct.unpack_from("<q", data, at)[0] or int(fields[b"t"])
        key, at = chunk(data, at + 8)
        found, at = headers(data, at)
        body, at = chunk(data, at)
        print("record", offset + i, ticks, key.decode(), found, body.decode())
