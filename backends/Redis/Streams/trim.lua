-- Moves the start of a partition.
-- ARGV: incarnation, the first offset that is kept.
-- Returns { 0 }: gone; { 1 }; { 2, end }: the offset lies beyond the end.
local p = partition(ARGV[1])
if not p then
    return { 0 }
end
local before = tonumber(ARGV[2])
if before > p.stop then
    return { 2, digits(p.stop) }
end
if before > p.earliest then
    move_start(p, before)
end
return { 1 }
