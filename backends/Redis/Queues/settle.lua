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
local are_completed = ARGV[4] == '1'
for first = 1, count, 1000 do
  local last = min(first + 999, count)
  local leased = call('HMGET', section.prefix .. 'leased', unpack(ARGV, 4 + first, 4 + last))
  for i = first, last do
    local number, value = ARGV[4 + i], leased[i - first + 1]
    if value and sub(value, 1, 8) == ARGV[4 + count + i] and not seen[number] then
      settled = settled + 1
      results[i] = '0'
      if are_completed then
        numbers[settled], values[settled] = number, value
      else
        seen[number] = true
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

if settled > 0 and are_completed then
  if send('HDEL', section.prefix .. 'leased', numbers) < settled then
    -- A token settles once: of several with one number, the first one has. Looked for only now, because it hardly ever is so.
    local once, kept = {}, {}
    local at = 0
    for i = 1, count do
      if results[i] == '0' then
        at = at + 1
        local number = numbers[at]
        if seen[number] then
          results[i] = '1'
          lost = true
        else
          seen[number] = true
          once[#once + 1], kept[#kept + 1] = number, values[at]
        end
      end
    end

    numbers, values = once, kept
  end

  send('ZREM', section.prefix .. 'ends', numbers)
  section.leased = section.leased - #numbers
  complete(section, numbers, values, now)
end

if settled > 0 then
  queue.used = now
  save(queue)
end

return { OK, lost and table.concat(results) or '' }
