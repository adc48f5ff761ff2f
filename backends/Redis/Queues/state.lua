-- The queue's state, and the moves that the hot paths need. What they rarely need is in moves.lua, so that a call on the hot path makes few functions: a
-- script that meets more than it can do alone answers MORE, changes nothing, and is called again together with moves.lua.

-- Made by moves.lua, where a script comes with it.
local advance, drop_oldest

-- The state is forty numbers in one string: reading and writing them costs two commands and about a microsecond, and a hash would cost five.
-- Without a queue, or where what stands there cannot be read, returns nil and the code to answer.
local function load(key)
  -- A key of another type is an error, a table, which has the length 0.
  local stored = redis.pcall('GET', key)
  if not stored then
    return nil, ABSENT
  elseif #stored ~= STATE_BYTES then
    return nil, DAMAGED
  end

  local version, salt, birth, sequence, next_event, largest, used,
    ready, blocked, ready_bytes, scheduled, leased, bytes, lists, backs,
    dead_ready, dead_blocked, dead_ready_bytes, dead_scheduled, dead_leased, dead_bytes, dead_lists, dead_backs,
    enqueued, completed, duplicates, expired, dropped, dead_lettered, evictions, dead_completed, dead_dead_lettered,
    max_deliveries, max_length, max_bytes, overflow, dead_letters_expired, idle, window, max_ids = struct.unpack(LAYOUT, stored)
  if version ~= 1 then
    return nil, DAMAGED
  end

  local prefix = sub(key, 1, -6)
  local queue = {
    key = key, prefix = prefix, salt = salt, birth = birth, sequence = sequence, sequence_before = sequence, next_event = next_event, next_event_before = next_event,
    largest = largest, used = used, messages = prefix .. 'messages',
    enqueued = enqueued, duplicates = duplicates, expired = expired, dropped = dropped, evictions = evictions,
    max_deliveries = max_deliveries, max_length = max_length, max_bytes = max_bytes, overflow = overflow, dead_letters_expired = dead_letters_expired,
    idle = idle, window = window, max_ids = max_ids,
    bytes_bound = max_bytes >= 0 and max_bytes or DEFAULT_MAX_BYTES,
  }
  queue.main = {
    queue = queue, prefix = prefix, is_dead = false, ready = ready, blocked = blocked, ready_bytes = ready_bytes, scheduled = scheduled,
    leased = leased, bytes = bytes, lists = lists, backs = backs, completed = completed, dead_lettered = dead_lettered, leasable_before = ready - blocked,
  }
  queue.dead = {
    queue = queue, prefix = prefix .. 'dead:', is_dead = true, ready = dead_ready, blocked = dead_blocked, ready_bytes = dead_ready_bytes,
    scheduled = dead_scheduled, leased = dead_leased, bytes = dead_bytes, lists = dead_lists, backs = dead_backs, completed = dead_completed,
    dead_lettered = dead_dead_lettered, leasable_before = dead_ready - dead_blocked,
  }
  return queue
end

-- With its memory full, Redis refuses a script whose first write takes memory, and nothing after that. What frees memory, or is needed to free it, begins with
-- this, which takes none and does nothing.
local function go_on_when_full(queue)
  call('HDEL', queue.messages, '')
end

-- A section without messages has no bytes, whatever was lost with messages that an eviction or a hand has taken away.
local function settle_bytes(section)
  if section.ready + section.scheduled + section.leased == 0 then
    section.bytes, section.ready_bytes = 0, 0
  end
end

-- Writes the state, and wakes who may wait: when something can be leased and nothing could before, or when something happens earlier than waiters know.
-- Whoever finds more than it takes wakes the next one itself, so nobody needs to be told of the second message.
local function save(queue)
  local main, dead = queue.main, queue.dead
  if queue.largest > 0 and main.ready + main.scheduled + main.leased + dead.ready + dead.scheduled + dead.leased == 0 then
    queue.largest = 0
  end

  settle_bytes(main)
  settle_bytes(dead)
  call('SET', queue.key, struct.pack(LAYOUT,
    1, queue.salt, queue.birth, queue.sequence, queue.next_event, queue.largest, queue.used,
    main.ready, main.blocked, main.ready_bytes, main.scheduled, main.leased, main.bytes, main.lists, main.backs,
    dead.ready, dead.blocked, dead.ready_bytes, dead.scheduled, dead.leased, dead.bytes, dead.lists, dead.backs,
    queue.enqueued, main.completed, queue.duplicates, queue.expired, queue.dropped, main.dead_lettered, queue.evictions, dead.completed, dead.dead_lettered,
    queue.max_deliveries, queue.max_length, queue.max_bytes, queue.overflow, queue.dead_letters_expired, queue.idle, queue.window, queue.max_ids))
  if main.leasable_before == 0 and main.ready > main.blocked then
    call(ARGV[1], queue.prefix .. 'wake', 'm')
  end

  if dead.leasable_before == 0 and dead.ready > dead.blocked then
    call(ARGV[1], queue.prefix .. 'wake', 'd')
  end

  if queue.next_event < queue.next_event_before then
    call(ARGV[1], queue.prefix .. 'wake', 't' .. format('%d', math.max(0, queue.next_event - now)))
  end

  main.leasable_before, dead.leasable_before, queue.next_event_before = main.ready - main.blocked, dead.ready - dead.blocked, queue.next_event
end

local function is_empty(queue)
  local main, dead = queue.main, queue.dead
  return main.ready + main.scheduled + main.leased + dead.ready + dead.scheduled + dead.leased == 0
end

-- Loads a queue and brings it to now: what a script sees has no lease that has ended and nothing that is due or expired.
-- Without a queue, returns nil and the code to answer.
local function arrive(key)
  local queue, unread = load(key)
  if not queue then
    return nil, unread
  end

  if queue.next_event <= now or (queue.idle >= 0 and now - queue.used >= queue.idle / 10 and is_empty(queue)) then
    if not advance then
      return nil, MORE
    end

    local code = advance(queue)
    if code then
      return nil, code
    end
  end

  return queue
end

-- A command with any number of arguments. Lua's stack takes some thousands at a time; pairs and triples are kept whole.
-- Returns the sum of the answers.
local function send(command, key, arguments)
  local count = #arguments
  if count == 0 then
    return 0
  elseif count <= 6000 then
    return call(command, key, unpack(arguments))
  end

  local sum = 0
  for first = 1, count, 6000 do
    sum = sum + call(command, key, unpack(arguments, first, min(first + 5999, count)))
  end

  return sum
end

local function expect(queue, at)
  if at < queue.next_event then
    queue.next_event = at
  end
end

-- The parts of a record that scripts act on. A stored record begins with the time of its enqueue, eight bytes; one that comes as an argument does not.
local function parse(record, start)
  local flags, priority, a, b, c, d = byte(record, start, start + 5)
  local parts = { flags = flags, priority = priority, size = a + b * 256 + c * 65536 + d * 16777216 }
  local at = start + 6
  if flags % 2 >= 1 then
    parts.id = sub(record, at, at + 15)
    at = at + 16
  end

  if flags % 4 >= 2 then
    parts.life = struct.unpack('<I8', record, at)
    at = at + 8
  end

  if flags % 8 >= 4 then
    local length = byte(record, at)
    parts.key = sub(record, at + 1, at + length)
  end

  return parts
end

-- What stands for a message that an eviction or a hand has taken away: without key, id and lifetime, and of no size. It is passed over when it is its turn.
local GONE = '\0\0\0\0\0\0\0\0\0\4\0\0\0\0'

local function record_of(queue, number)
  return call('HGET', queue.messages, number) or GONE
end

-- Puts a message among those that can be leased, at the place of its sequence. New messages without key and lifetime go to a list instead, which is cheaper.
local function add_back(section, number, priority, sequence)
  call('ZADD', section.prefix .. 'back:' .. priority, sequence, number)
  section.backs = bit.bor(section.backs, bit.lshift(1, priority))
end

-- The lines of all keys stand in one sorted set: KEY \0 JOINED NUMBER, in bytewise order, which is the order of the lines. Keys have no control characters.
local function head_of(section, key)
  while true do
    local head = call('ZRANGEBYLEX', section.prefix .. 'lines', '[' .. key .. '\0', '(' .. key .. '\1', 'LIMIT', 0, 1)[1]
    local number = head and sub(head, -16)
    -- Those that this script stores are written last.
    if not number or tonumber(number) > section.queue.sequence_before or call('HEXISTS', section.queue.messages, number) == 1 then
      return number
    end

    -- An eviction or a hand has taken it away: it must not stand before the others for ever.
    call('ZREM', section.prefix .. 'lines', head)
    for priority = 0, 9 do
      if call('ZREM', section.prefix .. 'blocked:' .. priority, number) == 1 then
        section.blocked, section.ready = section.blocked - 1, section.ready - 1
      end
    end
  end
end

-- Makes a message ready that stands in no line yet.
local function join(section, number, key, priority, sequence, joined)
  local is_head = not head_of(section, key)
  call('ZADD', section.prefix .. 'lines', 0, key .. '\0' .. joined .. number)
  if is_head then
    add_back(section, number, priority, sequence)
  else
    call('ZADD', section.prefix .. 'blocked:' .. priority, sequence, number)
    section.blocked = section.blocked + 1
  end
end

-- Takes a message out of its line, and frees the next one if it was the head.
local function leave_line(section, number, key, joined)
  local was_head = head_of(section, key) == number
  call('ZREM', section.prefix .. 'lines', key .. '\0' .. joined .. number)
  local head = was_head and head_of(section, key)
  if head then
    local priority = byte(call('HGET', section.queue.messages, head), 10)
    local sequence = call('ZSCORE', section.prefix .. 'blocked:' .. priority, head)
    call('ZREM', section.prefix .. 'blocked:' .. priority, head)
    section.blocked = section.blocked - 1
    add_back(section, head, priority, sequence)
  end
end

-- Live ids: the hash of an id to the numbers of the messages that bear it, oldest first, sixteen digits each. Several only after a redrive.
local function forget_ids(section, ids, numbers)
  local key = section.prefix .. 'ids'
  for first = 1, #ids, 1000 do
    local last = min(first + 999, #ids)
    local bearers = call('HMGET', key, unpack(ids, first, last))
    local free = {}
    for i = first, last do
      local known = bearers[i - first + 1]
      if known == numbers[i] then
        free[#free + 1] = ids[i]
      elseif known then
        -- Read once more: two of these messages may bear one id.
        local rest = {}
        for one in string.gmatch(call('HGET', key, ids[i]), '%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d%d') do
          if one ~= numbers[i] then
            rest[#rest + 1] = one
          end
        end

        if #rest > 0 then
          call('HSET', key, ids[i], table.concat(rest))
        else
          call('HDEL', key, ids[i])
        end
      end
    end

    send('HDEL', key, free)
  end
end

-- The window of ids: those of settled messages by the time of their settling, bounded by age and number.
local function remember_ids(queue, ids, at)
  if queue.window == 0 then
    return
  elseif queue.max_ids == 0 then
    queue.evictions = queue.evictions + #ids
    return
  end

  local key = queue.prefix .. 'window'
  local arguments = {}
  local stamp = format('%d', at)
  for i = 1, #ids do
    arguments[2 * i - 1], arguments[2 * i] = stamp, ids[i]
  end

  send('ZADD', key, arguments)
  call('ZREMRANGEBYSCORE', key, '-inf', format('%.0f', now - queue.window / 10))
  local over = call('ZCARD', key) - queue.max_ids
  if over > 0 then
    call('ZREMRANGEBYRANK', key, 0, over - 1)
    queue.evictions = queue.evictions + over
  end
end

-- The state that a message has once it has come back, was due, or died: attempts, flags, sequence, joined, time of death, attempts at death, length of the
-- reason, reason, error. Flags: 1 delivered before, 2 has an error, 4 dead, 8 does not expire any more, 16 has left its line.
local STATE = '<I4BdddI4I4'

local function read_state(stored)
  if not stored then
    return nil
  end

  local attempts, flags, sequence, joined, died, dead_attempts, length, at = struct.unpack(STATE, stored)
  return {
    attempts = attempts, delivered = flags % 2 >= 1, has_error = flags % 4 >= 2, dead = flags % 8 >= 4, immortal = flags % 16 >= 8,
    has_left = flags % 32 >= 16,
    sequence = sequence, joined = joined, died = died, dead_attempts = dead_attempts,
    reason = sub(stored, at, at + length - 1), error = sub(stored, at + length),
  }
end

-- What is kept of a leased message: its lease's random bytes, then of its record flags, priority and size, and the hash of its id if it has one. An s follows
-- if it has a state.
local function lease_value(key, record)
  return key .. sub(record, 9, byte(record, 9) % 2 == 1 and 30 or 14)
end

local function has_state(value)
  return #value > (byte(value, 9) % 2 == 1 and 30 or 14)
end

-- Ends leased messages: what is done for a completed one. The lists have one entry a message; what it needs stands in the lease, but for keys.
local function complete(section, numbers, values, at)
  local queue = section.queue
  local states, ids, bearers = {}, {}, {}
  local bytes = 0
  for i = 1, #numbers do
    local value = values[i]
    local flags, _, a, b, c, d = byte(value, 9, 14)
    bytes = bytes + a + b * 256 + c * 65536 + d * 16777216
    if flags % 2 == 1 then
      ids[#ids + 1], bearers[#bearers + 1] = sub(value, 15, 30), numbers[i]
    end

    local state = has_state(value)
    if state then
      states[#states + 1] = numbers[i]
    end

    if flags % 8 >= 4 then
      state = state and read_state(call('HGET', queue.prefix .. 'states', numbers[i]))
      local parts = parse(record_of(queue, numbers[i]), 9)
      if parts.key then
        leave_line(section, numbers[i], parts.key, state and format('%d', state.joined) or numbers[i])
      end
    end
  end

  forget_ids(section, ids, bearers)
  if #ids > 0 and not section.is_dead then
    remember_ids(queue, ids, at)
  end

  send('HDEL', queue.messages, numbers)
  send('HDEL', queue.prefix .. 'states', states)
  section.bytes = section.bytes - bytes
  section.completed = section.completed + #numbers
end
