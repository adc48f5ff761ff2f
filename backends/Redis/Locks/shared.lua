-- Begins every script of locks. A lock is a hash: 'token' is the last fencing token that was granted, and stays when the lock is free; 'owner' and 'until', in microseconds of
-- the server's clock, are there while it is held.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local lock = redis.call('HMGET', KEYS[1], 'owner', 'token', 'until')
local owner, token, ends = lock[1], lock[2], lock[3]
local held = ends and tonumber(ends) > now

-- With its memory full, Redis refuses a script whose first write takes memory, and nothing after that. A lock that has its key takes no more when it is prolonged, so that begins with
-- this, which does nothing.
local function go_on_when_full()
    redis.call('HDEL', KEYS[1], '')
end

-- Numbers of microseconds have more digits than Lua writes by itself.
local function digits(number)
    return string.format('%.0f', number)
end
