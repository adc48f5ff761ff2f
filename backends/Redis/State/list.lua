-- A page of documents.
-- ARGV: where to begin and to end, as ZRANGEBYLEX has it, and the most documents.
-- Returns the revision, the keys, and the documents.
local keys = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[1], ARGV[2], 'LIMIT', 0, ARGV[3])
return { revision(), keys, #keys > 0 and redis.call('HMGET', KEYS[1], unpack(keys)) or {} }
