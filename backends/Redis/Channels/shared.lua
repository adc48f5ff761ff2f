-- Begins every script of channels. KEYS: the latest messages, a Redis Stream whose ids are the messages' own; what is known of it, a hash: 'bytes', how many bytes of bodies it has;
-- 'gone', the id of the last message that it no longer has; 'begun', what stood there first, when there was none.
-- ARGV begins with how many messages it may have, for how many milliseconds, and how many bytes of bodies.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, ttl, most_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])

-- Lets go of what is too old or too much.
local function trim()
    local count = redis.call('XLEN', KEYS[1])
    local bytes = tonumber(redis.call('HGET', KEYS[2], 'bytes') or 0)
    local gone
    while count > 0 do
        local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
        if count <= most and bytes <= most_bytes and tonumber(string.match(oldest[1], '^%d+')) + ttl > now then
            break
        end
        gone, count, bytes = oldest[1], count - 1, bytes - oldest[2][4]
        redis.call('XDEL', KEYS[1], gone)
    end
    if gone then
        redis.call('HSET', KEYS[2], 'bytes', bytes, 'gone', gone)
    end
end
