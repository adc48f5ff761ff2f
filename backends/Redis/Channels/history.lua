-- Messages that are kept, oldest first.
-- ARGV: the bounds, the id after which to begin, empty for the start, and the most messages.
-- Returns the id of the last message that is gone, false where nothing was ever published; 1 where none is; the id of the last message of all; and the messages, as XRANGE has them.
if not gone then
    return { false, 1, false, {} }
end
trim()
if gone ~= known[2] then
    -- First what takes no memory: with its memory full, Redis refuses a script that begins with what does.
    redis.call('HDEL', KEYS[2], '')
    redis.call('HSET', KEYS[2], 'bytes', bytes, 'gone', gone)
end
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local from = ARGV[4] == '' and '-' or '(' .. ARGV[4]
return { gone, gone == begun and 1 or 0, last and last[1] or gone, redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', ARGV[5]) }
