-- Publishes a message to its topic and keeps it for those who resume.
-- ARGV: the bounds, the topic, its channel, the bytes of its body, the envelope.
-- Returns the message's id.
local id = '*'
if not gone then
    -- Of what was before, nothing is known.
    begun = string.format('%.0f-0', now - 1)
    gone = begun
elseif count == 0 and newest then
    -- A stream that is made anew knows only the clock, which may have been set back, or be another server's.
    local milliseconds, number = parts(newest)
    if milliseconds >= now then
        id = string.format('%.0f-%.0f', milliseconds, number + 1)
    end
end
id = redis.call('XADD', KEYS[1], id, 't', ARGV[4], 'b', ARGV[6], 'e', ARGV[7])
count, bytes = count + 1, bytes + ARGV[6]
trim()
redis.call('HSET', KEYS[2], 'bytes', bytes, 'gone', gone, 'begun', begun, 'last', id)
redis.call('PEXPIRE', KEYS[1], math.max(ttl, 1))
redis.call('PUBLISH', ARGV[5], id .. ' ' .. ARGV[7])
return id
