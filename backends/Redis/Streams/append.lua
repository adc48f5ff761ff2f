-- Adds the rows of an append at the end.
-- ARGV: incarnation, PUBLISH or SPUBLISH, the channel, the producer or empty, its first and last sequence in 19 digits; then for each row: records, checksum, number, bytes, highest
-- timestamp, 1 where records have none of their own.
-- Returns { 0 }: gone; { 1, first offset, end }: stored; { 2, offset, sequence, end }: a repeat, the record with that sequence is at the offset, -1 where that is no longer known;
-- { 3, sequence }: a repeat of sequences up to this one, and of others.
local MAX_PRODUCERS, APPENDS_KEPT = 10000, 5
local p = partition(ARGV[1])
if not p then
    return { 0 }
end
local start = p.stop
if #ARGV < 7 then
    return { 1, digits(start), digits(start) }
end
local producer = ARGV[4]
local known = producer ~= '' and redis.call('HGET', KEYS[3], producer)
if known then
    -- The latest append first: 'first sequence,last sequence,first offset;'.
    local last = string.match(known, '^%d+,(%d+)')
    if ARGV[5] <= last then
        if ARGV[6] > last then
            return { 3, last }
        end
        for first_sequence, last_sequence, offset in string.gmatch(known, '(%d+),(%d+),(%d+)') do
            if ARGV[5] >= first_sequence and ARGV[5] <= last_sequence then
                return { 2, offset, first_sequence, digits(p.stop) }
            end
        end
        return { 2, '-1', ARGV[5], digits(p.stop) }
    end
end
for i = 7, #ARGV, 6 do
    local newest = ARGV[i + 4]
    if ARGV[i + 5] == '1' and now > newest then
        newest = now
    end
    if newest > p.reached then
        p.reached = newest
    end
    redis.call('XADD', KEYS[2], digits(p.stop + 1) .. '-0', 'n', ARGV[i + 2], 'b', ARGV[i + 3], 's', digits(p.total), 't', now, 'm', newest, 'r', p.reached, 'c', ARGV[i + 1],
        'd', ARGV[i])
    p.stop, p.total = p.stop + ARGV[i + 2], p.total + ARGV[i + 3]
end
redis.call('HSET', KEYS[1], 'end', digits(p.stop), 'total', digits(p.total), 'reached', p.reached)
if producer ~= '' then
    local kept, number = ARGV[5] .. ',' .. ARGV[6] .. ',' .. digits(start) .. ';', 1
    for append in string.gmatch(known or '', '[^;]+;') do
        if number == APPENDS_KEPT then
            break
        end
        kept, number = kept .. append, number + 1
    end
    redis.call('HSET', KEYS[3], producer, kept)
    redis.call('ZADD', KEYS[4], digits(p.stop), producer)
    if not known and redis.call('ZCARD', KEYS[4]) > MAX_PRODUCERS then
        redis.call('HDEL', KEYS[3], redis.call('ZPOPMIN', KEYS[4])[1])
    end
end
retain(p)
redis.call(ARGV[2], ARGV[3], digits(p.stop))
return { 1, digits(start), digits(p.stop) }
