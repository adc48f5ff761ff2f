-- Work on one message by its id.
-- ARGV: 2 section, m or d; 3 what to do: get, remove or reschedule; 4 the hash of the id; 5 the number and 6 the milliseconds in the id if it may be one that
-- a queue with the salt in 7 has assigned, else empty; 8 the delay of a rescheduling in microseconds.
-- Answers { code, outcome (0 done, 1 not found, 2 leased), salt, number, record, state, place (r, s or l), due }.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead

-- Several bear one id only after a redrive; the oldest counts.
local function find()
  local numbers = call('HGET', section.prefix .. 'ids', ARGV[4]) or ''
  local found
  for number in string.gmatch(numbers, '%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d') do
    if not found or number < found then
      found = number
    end
  end

  if ARGV[5] ~= '' and tonumber(ARGV[7]) == queue.salt and (not found or ARGV[5] < found) then
    local record = call('HGET', queue.messages, ARGV[5])
    if record and byte(record, 9) % 2 == 0 and math.floor(struct.unpack('<I8', record) / 1000) == tonumber(ARGV[6]) then
      local state = state_of(queue, ARGV[5])
      if (state ~= nil and state.dead) == section.is_dead then
        return ARGV[5]
      end
    end
  end

  return found
end

local number = find()
if not number then
  return { OK, 1 }
end

local is_leased = call('HEXISTS', section.prefix .. 'leased', number) == 1
local record = call('HGET', queue.messages, number)
if not record then
  -- An eviction or a hand has taken it away.
  return { OK, 1 }
end

if ARGV[3] == 'get' then
  local due = call('ZSCORE', section.prefix .. 'due', number)
  return {
    OK, 0, queue.salt, number, record, call('HGET', queue.prefix .. 'states', number), is_leased and 'l' or due and 's' or 'r',
    due and format('%d', tonumber(due)) or '0',
  }
elseif is_leased then
  return { OK, 2 }
end

local parts = parse(record, 9)
local state = state_of(queue, number)
take_out(section, number, parts)
queue.used = now
if ARGV[3] == 'remove' then
  remove(section, number, parts, state, now)
else
  local delay = tonumber(ARGV[8])
  state = state or new_state(number)
  if parts.key then
    leave_line(section, number, parts.key, format('%d', state.joined))
  end

  queue.sequence = queue.sequence + 1
  state.sequence = queue.sequence
  if delay > 0 then
    call('ZADD', section.prefix .. 'due', now + delay, number)
    section.scheduled = section.scheduled + 1
    expect(queue, now + delay)
    state.has_left = true
  else
    state.joined, state.has_left = queue.sequence, false
    section.ready = section.ready + 1
    section.ready_bytes = section.ready_bytes + parts.size
    if parts.key then
      join(section, number, parts.key, parts.priority, queue.sequence, format('%d', queue.sequence))
    else
      add_back(section, number, parts.priority, queue.sequence)
    end
  end

  write_state(queue, number, state)
end

save(queue)
return { OK, 0 }
