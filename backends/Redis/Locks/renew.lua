-- Prolongs a grant.
-- ARGV: owner, fencing token, lease in microseconds, milliseconds for which the last token is kept after the lease.
-- Returns 1, or 0 where the grant has ended.
if not held or owner ~= ARGV[1] or token ~= ARGV[2] then
    return 0
end
go_on_when_full()
redis.call('HSET', KEYS[1], 'until', digits(now + ARGV[3]))
redis.call('PEXPIRE', KEYS[1], digits(ARGV[3] / 1000 + ARGV[4]))
return 1
