-- Writes a document.
-- ARGV: key, expected version (0: there is none; empty: whatever is there), PUBLISH or SPUBLISH, the channel, the value.
-- Returns 1 and the new version, or 0 and the version that stands in the way.
local version = version_of(redis.call('HGET', KEYS[1], ARGV[1])) or '0'
if ARGV[2] ~= '' and ARGV[2] ~= version then
    return { 0, version }
end
local next = next_revision()
redis.call('HSET', KEYS[1], ARGV[1], next .. ':' .. ARGV[5])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call(ARGV[3], ARGV[4], next .. ':' .. ARGV[1])
return { 1, next }
