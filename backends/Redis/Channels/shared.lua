-- Begins every script of channels. KEYS: the latest messages, a Redis Stream whose ids are the messages' own, which expires when the last one is too old; what is known of it, a
-- hash that stays: 'bytes', how many bytes of bodies it has; 'gone', the id of the last message that it no longer has; 'begun', what stood there first, when there was none; 'last',
-- the id of the last message of all, without which ids could go back once the stream has expired.
-- ARGV begins with how many messages it may have, for how many milliseconds, and how many bytes of bodies.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local most, ttl, most_bytes = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS[2], 'bytes', 'gone', 'begun', 'last')
local bytes, gone, begun, newest = tonumber(known[1] or 0), known[2], known[3], known[4]
local count = redis.call('XLEN', KEYS[1])

local function parts(id)
    local milliseconds, number = string.match(id, '^(%d+)-(%d+)$')
    return tonumber(milliseconds), tonumber(number)
end

local function is_after(id, other)
    local left, left_number = parts(id)
    local right, right_number = parts(other)
    return left > right or (left == right and left_number > right_number)
end

-- All of them at once: they have expired, or the server has dropped them.
if count == 0 and gone and newest and is_after(newest, gone) then
    gone, bytes = newest, 0
end

-- Lets go of what is too old or too much.
local function trim()
    while count > 0 do
        local oldest = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
        if count <= most and bytes <= most_bytes and tonumber(string.match(oldest[1], '^%d+')) + ttl > now then
            break
        end
        gone, count, bytes = oldest[1], count - 1, bytes - oldest[2][4]
        redis.call('XDEL', KEYS[1], gone)
    end
end
