-- What every script of a queue begins with: names, and its clock.
--
-- KEYS[1] is the queue's state, {PREFIX:queue:NAME}:queue; all its other keys share what stands before the last word, and so its slot.
-- ARGV[1] is PUBLISH, or SPUBLISH on a Cluster.

local call, byte, sub, format, min = redis.call, string.byte, string.sub, string.format, math.min

local OK, ABSENT, MORE, FULL_LENGTH, FULL_BYTES, SPLIT, DELETED, DAMAGED = 0, 1, 2, 3, 4, 5, 6, 7

-- Flags of a record that scripts act on: 1 the sender gave an id, 2 it has a lifetime, 4 a key. The others are the client's.

local NEVER = 9007199254740991

-- The bound of a queue whose settings name none: QueueCapabilities.DefaultMaxBytes.
local DEFAULT_MAX_BYTES = 68719476736

-- Forty doubles.
local LAYOUT = '<dddddddddddddddddddddddddddddddddddddddd'
local STATE_BYTES = 320

local clock = call('TIME')
local now = clock[1] * 1000000 + clock[2]
