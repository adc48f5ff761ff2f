-- Gives a lock up and tells those who wait.
-- ARGV: owner, fencing token, PUBLISH or SPUBLISH, the channel.
-- Returns 1, or 0 where the grant has ended.
if not held or owner ~= ARGV[1] or token ~= ARGV[2] then
    return 0
end
redis.call('HDEL', KEYS[1], 'owner', 'until')
redis.call(ARGV[3], ARGV[4], '')
return 1
