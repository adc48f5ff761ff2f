-- Prolongs the leases of one receiver, all in one operation.
-- ARGV: 2 section, m or d; 3 how many; 4 lease in microseconds; then the numbers of the messages; then their tokens' random bytes.
-- Answers { code, results }: a digit a lease, 1 for a lost one; empty when none is lost.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead
local count = tonumber(ARGV[3])
local stamp = format('%d', now + tonumber(ARGV[4]))
local results, lost, ends = {}, false, {}
for first = 1, count, 1000 do
  local last = min(first + 999, count)
  local leased = call('HMGET', section.prefix .. 'leased', unpack(ARGV, 4 + first, 4 + last))
  for i = first, last do
    local value = leased[i - first + 1]
    if value and sub(value, 1, 8) == ARGV[4 + count + i] then
      results[i] = '0'
      ends[#ends + 1] = stamp
      ends[#ends + 1] = ARGV[4 + i]
    else
      results[i] = '1'
      lost = true
    end
  end
end

if #ends > 0 then
  go_on_when_full(queue)
  send('ZADD', section.prefix .. 'ends', ends)

  -- A shorter lease than the one before moves the end forward.
  expect(queue, now + tonumber(ARGV[4]))
  queue.used = now
  save(queue)
end

return { OK, lost and table.concat(results) or '' }
