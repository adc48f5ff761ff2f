-- The state of a queue, and when the longest-waiting ready message of a section was enqueued.
-- ARGV: 2 section, m or d. Answers { code, state, microseconds since, or -1 }.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead
local oldest, sequence = nil, NEVER
if section.ready > 0 then
  for priority = 0, 9 do
    local first = call('LINDEX', section.prefix .. 'new:' .. priority, 0)
    if first and tonumber(first) < sequence then
      oldest, sequence = first, tonumber(first)
    end

    for _, name in ipairs({ 'back:', 'blocked:' }) do
      first = call('ZRANGE', section.prefix .. name .. priority, 0, 0, 'WITHSCORES')
      if first[1] and tonumber(first[2]) < sequence then
        oldest, sequence = first[1], tonumber(first[2])
      end
    end
  end
end

local age = -1
local record = oldest and call('HGET', queue.messages, oldest)
if record then
  age = math.max(0, now - struct.unpack('<I8', record))
end

return { OK, call('GET', queue.key), age }
