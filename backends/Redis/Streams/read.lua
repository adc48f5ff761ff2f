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
    local id, next, count, size = r.id, r.next, r.count, r.bytes
    rows[1] = packed(r.entry)

    -- What stands before the offset does not count.
    left, bytes = left - (next - offset), bytes - size * (next - offset) / count
    while left > 0 and bytes > 0 and next < p.stop do
        -- About as many as will be needed, taking the next ones to be like the last.
        local wanted = math.min(math.ceil(left / count), math.ceil(bytes / math.max(size, 1)), 128)
        local entries = redis.call('XRANGE', KEYS[2], '(' .. id, '+', 'COUNT', wanted)
        if #entries == 0 then
            break
        end
        for _, entry in ipairs(entries) do
            if left > 0 and bytes > 0 then
                local f = entry[2]
                id, count, size = entry[1], tonumber(f[2]), tonumber(f[4])
                rows[#rows + 1] = packed(entry)
                next, left, bytes = next + count, left - count, bytes - size
            end
        end
    end
end
return { 1, digits(p.stop), rows }
