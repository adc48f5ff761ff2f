-- Removes ready and scheduled messages; leased ones stay.
-- ARGV: 2 section, m or d; 3 at most so many. Answers { code, how many were removed }.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead
local limit = tonumber(ARGV[3])
local removed = 0

local function remove_all(numbers)
  for _, number in ipairs(numbers) do
    local parts = parse(call('HGET', queue.messages, number), 9)
    take_out(section, number, parts)
    remove(section, number, parts, state_of(queue, number), now)
    removed = removed + 1
  end
end

-- What is blocked goes first: removing a head would only move the next one up.
for priority = 0, 9 do
  remove_all(call('ZRANGE', section.prefix .. 'blocked:' .. priority, 0, limit - removed - 1))
  remove_all(call('LRANGE', section.prefix .. 'new:' .. priority, 0, limit - removed - 1))
  remove_all(call('ZRANGE', section.prefix .. 'back:' .. priority, 0, limit - removed - 1))
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
