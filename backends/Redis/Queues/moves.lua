-- The moves of messages that the hot paths rarely make: what comes back, dies, expires or becomes due, and the end of an idle queue.

-- Events by time that one call handles: some milliseconds. Who meets more is told MORE, and comes again.
local MAX_EVENTS, PAGE = 500, 100
local LEASE_ENDS, EXPIRES, IS_DUE = 1, 2, 3

local function new_state(number)
  return {
    attempts = 0, delivered = false, has_error = false, dead = false, immortal = false, has_left = false,
    sequence = tonumber(number), joined = tonumber(number), died = 0, dead_attempts = 0, reason = '', error = '',
  }
end

local function write_state(queue, number, state)
  local flags = (state.delivered and 1 or 0) + (state.has_error and 2 or 0) + (state.dead and 4 or 0) + (state.immortal and 8 or 0) + (state.has_left and 16 or 0)
  call('HSET', queue.prefix .. 'states', number, struct.pack(STATE, state.attempts, flags, state.sequence, state.joined, state.died, state.dead_attempts, #state.reason)
    .. state.reason .. state.error)
end

local function state_of(queue, number)
  return read_state(call('HGET', queue.prefix .. 'states', number))
end

local function add_id(section, id, number)
  local key = section.prefix .. 'ids'
  call('HSET', key, id, (call('HGET', key, id) or '') .. number)
end

-- What leaving a section means beside giving up the place: the key's line, the expiry, the bytes, the id and its window.
local function leave(section, number, parts, state, at)
  local queue = section.queue
  section.bytes = section.bytes - parts.size
  if parts.key then
    leave_line(section, number, parts.key, format('%d', (state or new_state(number)).joined))
  end

  if parts.life and not section.is_dead then
    call('ZREM', queue.prefix .. 'expiry', number)
  end

  if parts.id then
    forget_ids(section, { parts.id }, { number })
    if not section.is_dead then
      -- A dead letter's id has been in the window since it died.
      remember_ids(queue, { parts.id }, at)
    end
  end
end

-- Puts a message that stands nowhere at the end of a section.
local function enter(section, number, parts, state)
  local queue = section.queue
  queue.sequence = queue.sequence + 1
  state.sequence, state.joined, state.has_left = queue.sequence, queue.sequence, false
  section.bytes = section.bytes + parts.size
  section.ready = section.ready + 1
  section.ready_bytes = section.ready_bytes + parts.size
  if parts.id then
    add_id(section, parts.id, number)
  end

  if parts.key then
    join(section, number, parts.key, parts.priority, state.sequence, format('%d', state.sequence))
  else
    add_back(section, number, parts.priority, state.sequence)
  end

  write_state(queue, number, state)
end

local function remove(section, number, parts, state, at)
  leave(section, number, parts, state, at)
  call('HDEL', section.queue.messages, number)
  call('HDEL', section.queue.prefix .. 'states', number)
end

local function die(section, number, parts, state, reason, at)
  section.dead_lettered = section.dead_lettered + 1
  leave(section, number, parts, state, at)
  state.dead, state.immortal, state.died, state.dead_attempts, state.reason = true, true, at, state.attempts, reason
  enter(section.queue.dead, number, parts, state)
end

local function expire(section, number, parts, state, at)
  local queue = section.queue
  queue.expired = queue.expired + 1
  if queue.dead_letters_expired == 1 then
    die(section, number, parts, state or new_state(number), 'expired', at)
  else
    remove(section, number, parts, state, at)
  end
end

-- Takes a message out of its place if it is ready or scheduled; its place in the line of its key stays. False when it is leased.
local function take_out(section, number, parts)
  local prefix = section.prefix
  if call('ZREM', prefix .. 'due', number) == 1 then
    section.scheduled = section.scheduled - 1
    return true
  end

  if call('ZREM', prefix .. 'back:' .. parts.priority, number) == 0 then
    if call('ZREM', prefix .. 'blocked:' .. parts.priority, number) == 1 then
      section.blocked = section.blocked - 1
    elseif section.is_dead or call('LREM', prefix .. 'new:' .. parts.priority, 1, number) == 0 then
      return false
    end
  end

  section.ready = section.ready - 1
  section.ready_bytes = section.ready_bytes - parts.size
  return true
end

-- The parts of a leased message, and when it was enqueued if that matters: one without lifetime and key, whose lease says it all, is not read, however large.
local function parts_of(queue, number, value)
  if byte(value, 9) % 8 <= 1 then
    return parse(value, 9)
  end

  local record = record_of(queue, number)
  return parse(record, 9), struct.unpack('<I8', record)
end

-- A leased message comes back: it has expired, its attempts are used up, or it is ready again now or later.
local function give_back(section, number, value, delay, is_counted, failure, at)
  local queue = section.queue
  call('ZREM', section.prefix .. 'ends', number)
  call('HDEL', section.prefix .. 'leased', number)
  section.leased = section.leased - 1
  local parts, enqueued = parts_of(queue, number, value)
  local state = has_state(value) and state_of(queue, number) or new_state(number)
  state.attempts = state.attempts + (is_counted and 1 or 0)
  state.delivered = true
  if failure then
    state.has_error, state.error = true, failure
  end

  local expires = parts.life and not state.immortal and enqueued + parts.life
  if expires and expires <= at then
    expire(section, number, parts, state, at)
    return
  elseif not section.is_dead and state.attempts >= queue.max_deliveries then
    die(section, number, parts, state, 'max-deliveries', at)
    return
  end

  if expires then
    call('ZADD', queue.prefix .. 'expiry', expires, number)
    expect(queue, expires)
  end

  if delay > 0 then
    call('ZADD', section.prefix .. 'due', at + delay, number)
    section.scheduled = section.scheduled + 1
    expect(queue, at + delay)
  else
    -- What was leased is the head of its line, so it can be leased again.
    section.ready = section.ready + 1
    section.ready_bytes = section.ready_bytes + parts.size
    add_back(section, number, parts.priority, state.sequence)
  end

  write_state(queue, number, state)
end

-- Settles one leased message otherwise than by completing it.
local function settle(section, number, value, kind, delay, failure, reason)
  if kind == 2 then
    local queue = section.queue
    call('ZREM', section.prefix .. 'ends', number)
    call('HDEL', section.prefix .. 'leased', number)
    section.leased = section.leased - 1
    local parts = parts_of(queue, number, value)
    local state = has_state(value) and state_of(queue, number) or new_state(number)
    state.attempts = state.attempts + 1
    state.delivered = true
    if failure then
      state.has_error, state.error = true, failure
    end

    die(section, number, parts, state, reason, now)
  else
    give_back(section, number, value, delay, kind == 1, failure, now)
  end
end

-- A scheduled message is due: it gets its sequence, and joins the end of its key's line unless it has waited there, at the head, for a delayed release.
local function promote(section, number)
  local queue = section.queue
  section.scheduled = section.scheduled - 1
  local parts = parse(record_of(queue, number), 9)
  local state = state_of(queue, number)
  local is_in_line = state and not state.has_left
  state = state or new_state(number)
  queue.sequence = queue.sequence + 1
  state.sequence = queue.sequence
  section.ready = section.ready + 1
  section.ready_bytes = section.ready_bytes + parts.size
  if parts.key and not is_in_line then
    state.joined, state.has_left = queue.sequence, false
    join(section, number, parts.key, parts.priority, queue.sequence, format('%d', queue.sequence))
  else
    add_back(section, number, parts.priority, queue.sequence)
  end

  write_state(queue, number, state)
end

local function handle(queue, event)
  local section, number = event.section, event.number
  if event.kind == LEASE_ENDS then
    local value = call('HGET', section.prefix .. 'leased', number)
    if value then
      give_back(section, number, value, 0, true, nil, event.at)
    end
  elseif event.kind == EXPIRES then
    if call('ZREM', queue.prefix .. 'expiry', number) == 1 then
      local parts = parse(record_of(queue, number), 9)
      take_out(section, number, parts)
      expire(section, number, parts, state_of(queue, number), event.at)
    end
  elseif call('ZREM', section.prefix .. 'due', number) == 1 then
    promote(section, number)
  end
end

-- The next events up to now, in their order. At one instant a lease ends before its message can expire, and what expires does not become due.
local function next_events(queue)
  local events, horizon = {}, now
  local function gather(section, name, kind)
    local found = call('ZRANGEBYSCORE', section.prefix .. name, '-inf', format('%d', now), 'WITHSCORES', 'LIMIT', 0, PAGE)
    for i = 1, #found, 2 do
      events[#events + 1] = { section = section, kind = kind, number = found[i], at = tonumber(found[i + 1]) }
    end

    if #found == 2 * PAGE then
      horizon = min(horizon, tonumber(found[#found]))
    end
  end

  gather(queue.main, 'ends', LEASE_ENDS)
  gather(queue.dead, 'ends', LEASE_ENDS)
  gather(queue.main, 'expiry', EXPIRES)
  gather(queue.main, 'due', IS_DUE)
  gather(queue.dead, 'due', IS_DUE)
  table.sort(events, function(left, right)
    if left.at ~= right.at then
      return left.at < right.at
    elseif left.kind ~= right.kind then
      return left.kind < right.kind
    end

    return left.number < right.number
  end)
  return events, horizon
end

local function find_next_event(queue)
  queue.next_event = NEVER
  for _, key in ipairs({ queue.main.prefix .. 'ends', queue.dead.prefix .. 'ends', queue.prefix .. 'expiry', queue.main.prefix .. 'due', queue.dead.prefix .. 'due' }) do
    local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')[2]
    if first and first ~= 'inf' then
      expect(queue, tonumber(first))
    end
  end
end

local function delete_queue(queue)
  local names = { queue.key, queue.messages }
  for _, name in ipairs({ 'states', 'expiry', 'window', 'receivers' }) do
    names[#names + 1] = queue.prefix .. name
  end

  for _, section in ipairs({ queue.main, queue.dead }) do
    for _, name in ipairs({ 'due', 'ends', 'leased', 'lines', 'ids' }) do
      names[#names + 1] = section.prefix .. name
    end

    for priority = 0, 9 do
      names[#names + 1] = section.prefix .. 'new:' .. priority
      names[#names + 1] = section.prefix .. 'back:' .. priority
      names[#names + 1] = section.prefix .. 'blocked:' .. priority
    end
  end

  call('UNLINK', unpack(names))
  call(ARGV[1], queue.prefix .. 'wake', 'x')
end

-- Receivers are present until a time that their process puts off; one that died counts for a while longer.
local function has_receivers(queue)
  call('ZREMRANGEBYSCORE', queue.prefix .. 'receivers', '-inf', format('%d', now))
  return call('ZCARD', queue.prefix .. 'receivers') > 0
end

advance = function(queue)
  go_on_when_full(queue)
  local handled = 0
  while queue.next_event <= now and handled < MAX_EVENTS do
    local events, horizon = next_events(queue)
    for i = 1, #events do
      if events[i].at > horizon then
        break
      end

      handle(queue, events[i])
      handled = handled + 1
    end

    find_next_event(queue)
  end

  if queue.idle >= 0 and now - queue.used >= queue.idle / 10 and is_empty(queue) then
    if not has_receivers(queue) then
      delete_queue(queue)
      return DELETED
    end

    queue.used = now
  end

  save(queue)
  return queue.next_event <= now and MORE or nil
end

-- Drops ready messages, the oldest of the lowest priority first, until so many and so many bytes are gone.
drop_oldest = function(queue, count, bytes)
  local main = queue.main
  local priority = 0
  while (count > 0 or bytes > 0) and priority <= 9 do
    local oldest = call('LINDEX', main.prefix .. 'new:' .. priority, 0)
    local sequence = tonumber(oldest) or NEVER
    for _, name in ipairs({ 'back:', 'blocked:' }) do
      local first = call('ZRANGE', main.prefix .. name .. priority, 0, 0, 'WITHSCORES')
      if first[1] and tonumber(first[2]) < sequence then
        oldest, sequence = first[1], tonumber(first[2])
      end
    end

    if oldest then
      local parts = parse(record_of(queue, oldest), 9)
      parts.priority = priority
      take_out(main, oldest, parts)
      remove(main, oldest, parts, state_of(queue, oldest), now)
      queue.dropped = queue.dropped + 1
      count = count - 1
      bytes = bytes - parts.size
    else
      priority = priority + 1
    end
  end
end
