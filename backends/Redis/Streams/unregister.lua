-- Notes that a stream no longer has a partition; a stream without any may be made with another number of them.
-- ARGV: the partition.
redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('HLEN', KEYS[1]) <= 1 then
    redis.call('DEL', KEYS[1])
end
return 1
