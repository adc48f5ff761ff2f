-- A page of the messages in one state, without touching them.
-- ARGV: 2 section, m or d; 3 state, r, s or l; 4 at most so many; 5 and 6 the place after which to begin: priority and sequence of ready messages, the time
-- and the number of others; both empty for the first page; 7 the bytes of bodies after which the page ends.
-- Answers { code, salt, whether there are more, numbers, records, states, times }: of ready messages the times are their sequences.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead
local limit = tonumber(ARGV[4])
local numbers, places = {}, {}

-- One more than the page, to know whether there are more.
local function add_level(priority, after)
  local candidates = {}
  local wanted = limit + 1 - #numbers
  local list = section.prefix .. 'new:' .. priority
  local low, high = 0, call('LLEN', list)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if tonumber(call('LINDEX', list, middle)) > after then
      high = middle
    else
      low = middle + 1
    end
  end

  for _, number in ipairs(call('LRANGE', list, low, low + wanted - 1)) do
    candidates[#candidates + 1] = { number, tonumber(number) }
  end

  for _, name in ipairs({ 'back:', 'blocked:' }) do
    local found = call('ZRANGEBYSCORE', section.prefix .. name .. priority, '(' .. format('%d', after), '+inf', 'WITHSCORES', 'LIMIT', 0, wanted)
    for i = 1, #found, 2 do
      candidates[#candidates + 1] = { found[i], tonumber(found[i + 1]) }
    end
  end

  table.sort(candidates, function(left, right) return left[2] < right[2] end)
  for i = 1, min(wanted, #candidates) do
    numbers[#numbers + 1] = candidates[i][1]
    places[#places + 1] = format('%d', candidates[i][2])
  end
end

if ARGV[3] == 'r' then
  local priority, after = tonumber(ARGV[5]) or 9, tonumber(ARGV[6]) or 0
  while priority >= 0 and #numbers <= limit do
    add_level(priority, after)
    priority, after = priority - 1, 0
  end
else
  local key = section.prefix .. (ARGV[3] == 's' and 'due' or 'ends')
  local at = ARGV[5] == '' and 0 or call('ZCOUNT', key, '-inf', '(' .. ARGV[5])
  while #numbers <= limit do
    local found = call('ZRANGE', key, at, at + limit, 'WITHSCORES')
    if #found == 0 then
      break
    end

    for i = 1, #found, 2 do
      if #numbers <= limit and #found[i] == 16 and (ARGV[5] == '' or tonumber(found[i + 1]) > tonumber(ARGV[5]) or found[i] > ARGV[6]) then
        numbers[#numbers + 1] = found[i]
        places[#places + 1] = format('%d', tonumber(found[i + 1]))
      end
    end

    at = at + limit + 1
  end
end

local has_more = #numbers > limit
local shown, records, states, times = {}, {}, {}, {}
local bytes = 0
for i = 1, min(limit, #numbers) do
  local record, at = call('HGET', queue.messages, numbers[i]), #shown + 1

  -- What an eviction or a hand has taken away cannot be shown.
  if record then
    shown[at], records[at], times[at] = numbers[i], record, places[i]
    states[at] = call('HGET', queue.prefix .. 'states', numbers[i])
    bytes = bytes + #record
  end

  if bytes > tonumber(ARGV[7]) then
    has_more = has_more or i < #numbers
    break
  end
end

return { OK, queue.salt, has_more and 1 or 0, shown, records, states, times }
