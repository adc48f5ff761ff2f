-- Removes ready and scheduled messages; leased ones stay.
-- ARGV: 2 section, m or d; 3 at most so many. Answers { code, how many were removed }.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead
local limit = tonumber(ARGV[3])
local removed = 0
go_on_when_full(queue)

local function remove_all(numbers, priority)
  for _, number in ipairs(numbers) do
    local parts = parse(record_of(queue, number), 9)
    parts.priority = priority or parts.priority
    take_out(section, number, parts)
    remove(section, number, parts, state_of(queue, number), now)
    removed = removed + 1
  end
end

-- Those in lists stand in no line and have no state, so they go together.
local function remove_list(priority)
  local list = section.prefix .. 'new:' .. priority
  local numbers = call('LRANGE', list, 0, limit - removed - 1)
  if #numbers == 0 then
    return
  end

  call('LTRIM', list, #numbers, -1)
  local records = call('HMGET', queue.messages, unpack(numbers))
  local values = {}
  local bytes = 0
  for i = 1, #numbers do
    values[i] = lease_value('--------', records[i] or GONE)
    bytes = bytes + parse(values[i], 9).size
  end

  section.ready = section.ready - #numbers
  section.ready_bytes = section.ready_bytes - bytes
  complete(section, numbers, values, now)
  section.completed = section.completed - #numbers
  removed = removed + #numbers
end

-- What is blocked goes first: removing a head would only move the next one up.
for priority = 0, 9 do
  remove_all(call('ZRANGE', section.prefix .. 'blocked:' .. priority, 0, limit - removed - 1), priority)
  remove_list(priority)
  remove_all(call('ZRANGE', section.prefix .. 'back:' .. priority, 0, limit - removed - 1), priority)
  if removed == limit then
    break
  end
end

if removed < limit then
  remove_all(call('ZRANGE', section.prefix .. 'due', 0, limit - removed - 1))
end

queue.used = now
save(queue)
return { OK, removed }
