-- Notes that a stream has a partition. KEYS: the stream's partitions, a hash of '1' by number, and how many there are to be as 'count'.
-- ARGV: the partition, how many partitions the stream has.
-- Returns how many it has; where that is another number, nothing was noted.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 1 then
    -- With its memory full, Redis refuses a script whose first write takes memory, and nothing after that; what is there is read on.
    redis.call('HDEL', KEYS[1], '')
end
redis.call('HSETNX', KEYS[1], 'count', ARGV[2])
local count = redis.call('HGET', KEYS[1], 'count')
if count == ARGV[2] then
    redis.call('HSET', KEYS[1], ARGV[1], '1')
end
return count
