-- Makes a partition where there is none, and sets how long it keeps records.
-- ARGV: how many partitions the stream has; the bounds by age ('seconds.microseconds'), bytes and records, empty for none.
-- Returns its incarnation, 1 where it was made, and how many partitions the stream had when it was.
if redis.call('EXISTS', KEYS[1]) == 1 then
    -- With its memory full, Redis refuses a script whose first write takes memory, and nothing after that; what is there is read on.
    redis.call('HDEL', KEYS[1], '')
end
local made = redis.call('HSETNX', KEYS[1], 'id', string.format('%.0f', time[1] * 1000000 + time[2]))
if made == 1 then
    redis.call('HSET', KEYS[1], 'partitions', ARGV[1], 'earliest', '0', 'end', '0', 'total', '0', 'base', '0', 'reached', string.rep('0', 19))
end
redis.call('HSET', KEYS[1], 'maxAge', ARGV[2], 'maxBytes', ARGV[3], 'maxRecords', ARGV[4])
return { redis.call('HGET', KEYS[1], 'id'), made, redis.call('HGET', KEYS[1], 'partitions') }
