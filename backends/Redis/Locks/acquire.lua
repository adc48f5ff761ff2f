-- Takes a lock that nobody else holds, or prolongs it.
-- ARGV: owner, lease in microseconds, milliseconds for which the last token is kept after the lease.
-- Returns the fencing token, or false where another holds the lock.
if held then
    if owner ~= ARGV[1] then
        return false
    end
else
    -- The microseconds make it rise also where the last token was lost with a server.
    token = digits(math.max((tonumber(token) or 0) + 1, now))
end
if lock[2] then
    go_on_when_full()
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', token, 'until', digits(now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], digits(ARGV[2] / 1000 + ARGV[3]))
return token
