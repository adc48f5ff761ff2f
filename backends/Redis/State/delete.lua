-- Deletes a document.
-- ARGV: key, expected version (0: there is none; empty: whatever is there), PUBLISH or SPUBLISH, the channel.
-- Returns 1 and 0, or 0 and the version that stands in the way.
local version = version_of(redis.call('HGET', KEYS[1], ARGV[1])) or '0'
if ARGV[2] ~= '' and ARGV[2] ~= version then
    return { 0, version }
end
if version ~= '0' then
    -- A deletion is a change of its own, for those who wait for one.
    redis.call('HDEL', KEYS[1], ARGV[1])
    redis.call('ZREM', KEYS[2], ARGV[1])
    redis.call(ARGV[3], ARGV[4], next_revision() .. ':' .. ARGV[1])
end
return { 1, '0' }
