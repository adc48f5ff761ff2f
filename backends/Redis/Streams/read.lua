-- Reads rows from the one that holds an offset.
-- ARGV: incarnation, offset, the most records, the most bytes.
-- Returns { 0 }: gone; { 1, end, rows }; { 2, earliest }: the offset has been trimmed.
local p = partition(ARGV[1])
if not p then
    return { 0 }
end
retain(p)
local offset, left, bytes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if offset < p.earliest then
    return { 2, digits(p.earliest) }
end
local rows = {}
if offset < p.stop then
    local r = row_at(offset)
    -- What stands before the offset does not count.
    local share = (r.next - offset) / r.count
    local size = r.bytes * share
    rows[1] = packed(r)
    left, bytes = left - (r.next - offset), bytes - size
    while left > 0 and bytes > 0 and r.next < p.stop do
        -- About as many as will be needed, taking the next ones to be like the last.
        local wanted = math.min(math.ceil(left / r.count), math.ceil(bytes / math.max(r.bytes, 1)), 128)
        for _, entry in ipairs(redis.call('XRANGE', KEYS[2], '(' .. r.id, '+', 'COUNT', wanted)) do
            if left > 0 and bytes > 0 then
                r = row(entry)
                rows[#rows + 1] = packed(r)
                left, bytes = left - r.count, bytes - r.bytes
            end
        end
    end
end
return { 1, digits(p.stop), rows }
