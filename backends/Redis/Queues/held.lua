-- Finds messages that a lease call has taken whose answer was lost, by the random bytes of its tokens, among those whose leases end when its own do.
-- ARGV: 2 section, m or d; 3 the random bytes; 4 and 5 from when and until when its leases end, in microseconds from now; 6 how many of these to pass over.
-- Answers { code, how many it has looked at, numbers }.

if call('EXISTS', KEYS[1]) == 0 then
  return { ABSENT }
end

local prefix = sub(KEYS[1], 1, -6) .. (ARGV[2] == 'm' and '' or 'dead:')
local ends = call('ZRANGE', prefix .. 'ends', format('%d', now + tonumber(ARGV[4])), format('%d', now + tonumber(ARGV[5])), 'BYSCORE', 'LIMIT', ARGV[6], 1000)
local numbers = {}
if #ends > 0 then
  local leased = call('HMGET', prefix .. 'leased', unpack(ends))
  for i = 1, #ends do
    if leased[i] and sub(leased[i], 1, 8) == ARGV[3] then
      numbers[#numbers + 1] = ends[i]
    end
  end
end

return { OK, #ends, numbers }
