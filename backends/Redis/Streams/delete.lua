-- Removes a partition, and tells those who wait for it to grow.
-- ARGV: PUBLISH or SPUBLISH, the channel.
-- Returns 1, or 0 where there was none.
local id = redis.call('HGET', KEYS[1], 'id')
redis.call('UNLINK', unpack(KEYS))
if not id then
    return 0
end
redis.call(ARGV[1], ARGV[2], 'deleted ' .. id)
return 1
