-- Moves dead letters back to their queue: attempts from 0, no expiry. Those that are leased or gone meanwhile stay as they are.
-- ARGV: 2 and following their numbers. Answers { code, how many were moved }.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local moved = 0
for i = 2, #ARGV do
  local number = ARGV[i]
  local state = state_of(queue, number)
  local record = state and state.dead and call('HGET', queue.messages, number)
  local parts = record and parse(record, 9)
  if parts and take_out(queue.dead, number, parts) then
    leave(queue.dead, number, parts, state, now)
    state.attempts, state.has_error, state.error, state.dead, state.reason = 0, false, '', false, ''
    enter(queue.main, number, parts, state)
    moved = moved + 1
  end
end

if moved > 0 then
  queue.used = now
  save(queue)
end

return { OK, moved }
