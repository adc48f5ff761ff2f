-- Finds the first row with a record whose timestamp is at or after an instant.
-- ARGV: incarnation, the instant in 19 digits, where to look on from, empty at first.
-- Returns { 0 }: gone; { 1, end, earliest, row }; { 2, offset }: none was found before this offset, look on from there; { 3, end }: there is none.
-- Senders may set timestamps, so they need not rise; but the highest of a row and all before it never falls, and where it first reaches the instant, a record does. Only where that
-- record has been trimmed is there something to look through.
local p = partition(ARGV[1])
if not p then
    return { 0 }
end
retain(p)
local low, high = p.earliest, p.stop
if ARGV[3] ~= '' then
    low, high = math.max(low, tonumber(ARGV[3])), low
end
while low < high do
    local r = row_at(math.floor((low + high) / 2))
    if r.reached >= ARGV[2] then
        high = math.max(low, r.first)
    else
        low = r.next
    end
end
local rows, bytes = 0, 0
while low < p.stop do
    if rows >= RETAIN_ROWS or bytes >= RETAIN_BYTES then
        return { 2, digits(low) }
    end
    local r = row_at(low)
    if r.newest >= ARGV[2] then
        return { 1, digits(p.stop), digits(p.earliest), packed(r.entry) }
    end
    low, rows, bytes = r.next, rows + 1, bytes + r.bytes
end
return { 3, digits(p.stop) }
