-- What several callers of one process want of a queue in one call, as far as it concerns plain messages: enqueues, completions, leases, in this order. A
-- message is plain if it has no lifetime and no key and has never come back; that an id was given matters to completions only, as those who send ids go by
-- enqueue.lua. What this does not do it answers with MORE and leaves as it was: each kind of call alone, or all together.
--
-- Written for speed, so without functions and with the state in local variables: measured, load and save in state.lua cost as much as ten messages here.
-- KEYS and the first of ARGV as in state.lua. ARGV: 2 a header, see below; then the records of the messages to enqueue; then the numbers of those to complete.
-- Answers { code, code of the enqueues, code of the completions, code of the leases, number before the first that was stored, time in microseconds, salt,
-- lost completions: a digit each, empty when none is lost; microseconds until something happens by itself (-1: nothing does), whether more can be leased,
-- numbers, records }.

local key = KEYS[1]
local stored = redis.pcall('GET', key)
if not stored then
  return { ABSENT }
elseif #stored ~= STATE_BYTES then
  return { MORE }
end

local version, salt, birth, sequence, next_event, largest, used,
  ready, blocked, ready_bytes, scheduled, leased, bytes, lists, backs,
  dead_ready, dead_blocked, dead_ready_bytes, dead_scheduled, dead_leased, dead_bytes, dead_lists, dead_backs,
  enqueued, completed, duplicates, expired, dropped, dead_lettered, evictions, dead_completed, dead_dead_lettered,
  max_deliveries, max_length, max_bytes, overflow, dead_letters_expired, idle, window, max_ids = struct.unpack(LAYOUT, stored)

-- An idle queue may have to go. It does not matter whether it is empty: who is told MORE looks closely.
if version ~= 1 or next_event <= now or (idle >= 0 and now - used >= idle / 10) then
  return { MORE }
end

-- How many messages to enqueue, all bodies' bytes, those of the largest, how many runs of one priority; how many completions; how many receivers, how many
-- messages they take in all, their lease in microseconds, and the bytes of bodies beyond which one more is too many. Then of each run its priority and
-- length; of each completion the random bytes of its token; of each receiver how many it takes at most, and the random bytes of this lease's tokens.
local header = ARGV[2]
local stores, stored_bytes, largest_stored, runs, settles, receivers, limit, lease, most_bytes, at = struct.unpack('<I4I8I4I4I4I4I4I8I8', header)
local prefix = sub(key, 1, -6)
local messages = prefix .. 'messages'
local leasable_before, next_event_before = ready - blocked, next_event
local store_code, settle_code, lease_code = OK, OK, OK
local base = sequence
local has_changed = false
local numbers, records = {}, {}

-- Bodies are held in memory until the reply is sent: a hundred large ones must not be asked for at once.
if largest_stored > largest then
  largest = largest_stored
end

if largest * limit > most_bytes then
  limit = math.max(1, min(limit, math.floor(most_bytes / largest)))
end

if stores > 0 then
  if ready + scheduled + leased + stores > max_length or bytes + stored_bytes > (max_bytes >= 0 and max_bytes or DEFAULT_MAX_BYTES) then
    store_code = MORE
  else
    has_changed = true
    local stamp = struct.pack('<I8', now)
    local fields, fresh = {}, {}
    for i = 1, stores do
      local number = format('%d', base + i)
      fresh[i], fields[2 * i - 1], fields[2 * i] = number, number, stamp .. ARGV[2 + i]
    end

    -- First, because it is what Redis refuses without memory: nothing has changed then.
    call('HSET', messages, unpack(fields))

    -- With nothing before them, the first go to the receivers at once.
    local first = 1
    if receivers > 0 and lists == 0 and backs == 0 and runs == 1 then
      local direct = min(stores, limit)
      for i = 1, direct do
        numbers[i], records[i] = fresh[i], fields[2 * i]
      end

      first = direct + 1
    end

    for i = 1, runs do
      local priority, length = struct.unpack('<BI4', header, at + 5 * i - 5)
      local last = runs == 1 and stores or first + length - 1
      if first <= last then
        call('RPUSH', prefix .. 'new:' .. priority, unpack(fresh, first, last))
        lists = bit.bor(lists, bit.lshift(1, priority))
        first = last + 1
      end
    end

    sequence = base + stores
    ready, ready_bytes, bytes, enqueued = ready + stores, ready_bytes + stored_bytes, bytes + stored_bytes, enqueued + stores
  end
end

at = at + 5 * runs
local lost = ''
if settles > 0 then
  local first, last = 3 + stores, 2 + stores + settles
  local values = call('HMGET', prefix .. 'leased', unpack(ARGV, first, last))
  local done, states, ids, bearers = {}, {}, {}, {}
  local held, settled_bytes = 0, 0
  for i = 1, settles do
    local value = values[i]
    if value and sub(value, 1, 8) == sub(header, at + 8 * i - 8, at + 8 * i - 1) then
      local number = ARGV[first + i - 1]
      held = held + 1
      done[held] = number
      local flags, _, a, b, c, d = byte(value, 9, 14)
      settled_bytes = settled_bytes + a + b * 256 + c * 65536 + d * 16777216
      if flags % 2 == 1 then
        ids[#ids + 1], bearers[#bearers + 1] = sub(value, 15, 30), number
      end

      if #value > (flags % 2 == 1 and 30 or 14) then
        states[#states + 1] = number
      end

      if flags % 8 >= 4 then
        settle_code = MORE
      end
    else
      lost = lost .. string.rep('0', i - 1 - #lost) .. '1'
    end
  end

  -- Several messages bear one id only after a redrive.
  if ids[1] and settle_code == OK then
    local known = call('HMGET', prefix .. 'ids', unpack(ids))
    for i = 1, #ids do
      if known[i] ~= bearers[i] then
        settle_code = MORE
      end
    end
  end

  if settle_code == OK then
    if held < settles then
      lost = lost .. string.rep('0', settles - #lost)
    end

    if held > 0 then
      has_changed = true
      call('HDEL', prefix .. 'leased', unpack(done))
      call('ZREM', prefix .. 'ends', unpack(done))
      call('HDEL', messages, unpack(done))
      if states[1] then
        call('HDEL', prefix .. 'states', unpack(states))
      end

      if ids[1] then
        call('HDEL', prefix .. 'ids', unpack(ids))
        if window > 0 and max_ids > 0 then
          local entries, stamp = {}, format('%d', now)
          for i = 1, #ids do
            entries[2 * i - 1], entries[2 * i] = stamp, ids[i]
          end

          call('ZADD', prefix .. 'window', unpack(entries))
          call('ZREMRANGEBYSCORE', prefix .. 'window', '-inf', format('%.0f', now - window / 10))
          local over = call('ZCARD', prefix .. 'window') - max_ids
          if over > 0 then
            call('ZREMRANGEBYRANK', prefix .. 'window', 0, over - 1)
            evictions = evictions + over
          end
        elseif window > 0 then
          evictions = evictions + #ids
        end
      end

      leased, bytes, completed = leased - held, bytes - settled_bytes, completed + held
    end
  end
end

if receivers > 0 then
  at = at + 8 * settles
  local count = #numbers
  if backs ~= 0 then
    lease_code = MORE
  else
    local priority = 9
    while lists > 0 and count < limit do
      local level = bit.lshift(1, priority)
      if bit.band(lists, level) ~= 0 then
        local wanted = limit - count
        local taken = call('LPOP', prefix .. 'new:' .. priority, wanted) or {}
        local found = #taken
        if found < wanted then
          lists = lists - level
        end

        if found > 0 then
          local read = call('HMGET', messages, unpack(taken))
          for i = 1, found do
            if read[i] then
              count = count + 1
              numbers[count], records[count] = taken[i], read[i]
            else
              -- What an eviction or a hand has taken away cannot be given out; the others can.
              ready = ready - 1
              has_changed = true
            end
          end
        end
      end

      priority = priority - 1
    end
  end

  if count > 0 then
    has_changed = true
    local end_of_lease = now + lease
    local stamp = format('%d', end_of_lease)
    local leases, ends = {}, {}
    local left, random, leased_bytes = 0, nil, 0
    for i = 1, count do
      local number, record = numbers[i], records[i]
      if left == 0 then
        local low, high = byte(header, at, at + 1)
        left, random, at = low + 256 * high, sub(header, at + 2, at + 9), at + 10
      end

      left = left - 1
      local flags, _, a, b, c, d = byte(record, 9, 14)
      leased_bytes = leased_bytes + a + b * 256 + c * 65536 + d * 16777216
      leases[2 * i - 1], leases[2 * i] = number, random .. sub(record, 9, flags % 2 == 1 and 30 or 14)
      ends[2 * i - 1], ends[2 * i] = stamp, number
    end

    call('HSET', prefix .. 'leased', unpack(leases))
    call('ZADD', prefix .. 'ends', unpack(ends))
    ready, ready_bytes, leased = ready - count, ready_bytes - leased_bytes, leased + count
    next_event = min(next_event, end_of_lease)
  end
end

if has_changed then
  if ready + scheduled + leased == 0 then
    -- Also of what was lost with messages that an eviction or a hand has taken away.
    bytes, ready_bytes = 0, 0
    if dead_ready + dead_scheduled + dead_leased == 0 then
      largest = 0
    end
  end

  call('SET', key, struct.pack(LAYOUT,
    1, salt, birth, sequence, next_event, largest, now,
    ready, blocked, ready_bytes, scheduled, leased, bytes, lists, backs,
    dead_ready, dead_blocked, dead_ready_bytes, dead_scheduled, dead_leased, dead_bytes, dead_lists, dead_backs,
    enqueued, completed, duplicates, expired, dropped, dead_lettered, evictions, dead_completed, dead_dead_lettered,
    max_deliveries, max_length, max_bytes, overflow, dead_letters_expired, idle, window, max_ids))
  if leasable_before == 0 and ready > blocked then
    call(ARGV[1], prefix .. 'wake', 'm')
  end

  if next_event < next_event_before then
    call(ARGV[1], prefix .. 'wake', 't' .. format('%d', next_event - now))
  end
end

return {
  OK, store_code, settle_code, lease_code, base, now, salt, lost, next_event == NEVER and -1 or next_event - now, ready > blocked and 1 or 0, numbers, records,
}
