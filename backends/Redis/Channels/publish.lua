-- Publishes a message to its topic and keeps it for those who resume.
-- ARGV: the bounds, the topic, its channel, the bytes of its body, the envelope.
-- Returns the message's id.
if redis.call('EXISTS', KEYS[2]) == 0 then
    -- Of what was before, nothing is known.
    local begun = string.format('%.0f-0', now - 1)
    redis.call('HSET', KEYS[2], 'bytes', 0, 'begun', begun, 'gone', begun)
end
local id = redis.call('XADD', KEYS[1], '*', 't', ARGV[4], 'b', ARGV[6], 'e', ARGV[7])
redis.call('HINCRBY', KEYS[2], 'bytes', ARGV[6])
trim()
redis.call('PUBLISH', ARGV[5], id .. ' ' .. ARGV[7])
return id
