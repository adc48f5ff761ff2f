-- Replaces the settings of a queue.
-- ARGV: 2 eight numbers.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

go_on_when_full(queue)
set(queue, ARGV[2])
local over = call('ZCARD', queue.prefix .. 'window') - queue.max_ids
if over > 0 then
  call('ZREMRANGEBYRANK', queue.prefix .. 'window', 0, over - 1)
  queue.evictions = queue.evictions + over
end

queue.used = now
save(queue)

-- What waits for dead letters may now have to wait for an expiry.
call(ARGV[1], queue.prefix .. 'wake', 'm')
return { OK }
