-- Settles deliveries by their tokens, in order (laws Q5 and Q6).
-- ARGV: 2 section, m or d; 3 how many; 4 whether all are completed, 1 or 0; then the numbers of the messages; then their tokens' random bytes; then, unless
-- all are completed, what to do with each: a kind (0 released uncounted, 1 released, 2 dead-lettered, 3 completed), whether there is an error, the delay in
-- microseconds, the length of the reason, reason, error.
-- Answers { code, results }: a digit a settlement, 1 for a lost lease; empty when none is lost.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead
local count = tonumber(ARGV[3])
local results, lost, seen = {}, false, {}
local numbers, values = {}, {}
local settled = 0
for first = 1, count, 1000 do
  local last = min(first + 999, count)
  local leased = call('HMGET', section.prefix .. 'leased', unpack(ARGV, 4 + first, 4 + last))
  for i = first, last do
    local number, value = ARGV[4 + i], leased[i - first + 1]
    if value and not seen[number] and sub(value, 1, 8) == ARGV[4 + count + i] then
      seen[number] = true
      results[i] = '0'
      settled = settled + 1
      if ARGV[4] == '1' then
        numbers[settled], values[settled] = number, value
      else
        local kind, has_error, delay, length, at = struct.unpack('<BBI8I4', ARGV[4 + 2 * count + i])
        local text = ARGV[4 + 2 * count + i]
        if kind == 3 then
          call('HDEL', section.prefix .. 'leased', number)
          call('ZREM', section.prefix .. 'ends', number)
          section.leased = section.leased - 1
          complete(section, { number }, { value }, now)
        else
          settle(section, number, value, kind, delay, has_error == 1 and sub(text, at + length), sub(text, at, at + length - 1))
        end
      end
    else
      results[i] = '1'
      lost = true
    end
  end
end

if #numbers > 0 then
  send('HDEL', section.prefix .. 'leased', numbers)
  send('ZREM', section.prefix .. 'ends', numbers)
  section.leased = section.leased - #numbers
  complete(section, numbers, values, now)
end

if settled > 0 then
  queue.used = now
  save(queue)
end

return { OK, lost and table.concat(results) or '' }
