-- Writes a document.
-- ARGV: key, expected version (0: there is none; empty: whatever is there), PUBLISH or SPUBLISH, the channel, the value.
-- Returns 1 and the new version, or 0 and the version that stands in the way.
local SLACK = 256
local stored = redis.call('HGET', KEYS[1], ARGV[1])
local version = version_of(stored) or '0'
if ARGV[2] ~= '' and ARGV[2] ~= version then
    return { 0, version }
end
if stored and #version + 1 + #ARGV[5] <= #stored + SLACK then
    -- With its memory full, Redis refuses a script whose first write takes memory, and nothing after that. Consumers and schedules note in documents how far they are, and a document that
    -- hardly grows is no reason to stop them.
    redis.call('HDEL', KEYS[1], '')
end
local next = next_revision()
redis.call('HSET', KEYS[1], ARGV[1], next .. ':' .. ARGV[5])
redis.call('ZADD', KEYS[2], 0, ARGV[1])
redis.call(ARGV[3], ARGV[4], next .. ':' .. ARGV[1])
return { 1, next }
