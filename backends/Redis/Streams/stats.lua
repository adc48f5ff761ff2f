-- ARGV: incarnation.
-- Returns { 0 }: gone; { 1, earliest, end, bytes }.
local p = partition(ARGV[1])
if not p then
    return { 0 }
end
retain(p)
return { 1, digits(p.earliest), digits(p.stop), digits(p.total - p.base) }
