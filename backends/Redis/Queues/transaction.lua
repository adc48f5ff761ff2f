-- Enqueues and settlements over several queues of one server, all or nothing (laws T1 and T2).
-- KEYS: the states of the queues. ARGV: 2 number of operations; then of each, in order: e, the index of its queue, record, delay in microseconds, the
-- queue's birth or empty; or s, the index, section, number, random bytes, and what to do as in settle.lua.
-- Answers { code, index of the queue, bound } when nothing was done, or { code, lost, firsts, time, salts }: the indexes of lost settlements; if there are
-- none, everything was applied.

local is_settling, word = false, 3
for _ = 1, tonumber(ARGV[2]) do
  is_settling = is_settling or ARGV[word] == 's'
  word = word + (ARGV[word] == 's' and 6 or 5)
end

if not is_settling then
  require_memory(sub(KEYS[1], 1, -6))
end

local queues = {}
for i = 1, #KEYS do
  local queue, code = arrive(KEYS[i])
  if not queue then
    return { code, i, '' }
  end

  queues[i] = queue
end

local operations, lost, at = {}, {}, 3
for i = 1, tonumber(ARGV[2]) do
  local queue = queues[tonumber(ARGV[at + 1])]
  if ARGV[at] == 'e' then
    if ARGV[at + 4] ~= '' and tonumber(ARGV[at + 4]) ~= queue.birth then
      return { DELETED, tonumber(ARGV[at + 1]), '' }
    end

    operations[i] = { queue = queue, index = tonumber(ARGV[at + 1]), record = ARGV[at + 2], delay = tonumber(ARGV[at + 3]) }
    at = at + 5
  else
    local section = ARGV[at + 2] == 'm' and queue.main or queue.dead
    local number = ARGV[at + 3]
    local value = call('HGET', section.prefix .. 'leased', number)
    queue.settled = queue.settled or {}
    if not value or sub(value, 1, 8) ~= ARGV[at + 4] or queue.settled[number] then
      lost[#lost + 1] = i - 1
    end

    queue.settled[number] = true
    operations[i] = { queue = queue, section = section, number = number, value = value, what = ARGV[at + 5] }
    at = at + 6
  end
end

if #lost > 0 then
  return { OK, lost }
end

-- Works out, before anything is changed, what fits: settlements make room, repeats take none.
local function is_repeat(queue, id)
  if queue.added[id] then
    return true
  end

  queue.added[id] = true
  if queue.freed[id] then
    return queue.window > 0
  end

  local settled_at = queue.window > 0 and call('ZSCORE', queue.prefix .. 'window', id)
  return call('HEXISTS', queue.prefix .. 'ids', id) == 1 or (settled_at and tonumber(settled_at) + queue.window / 10 > now)
end

for i = 1, #queues do
  local queue = queues[i]
  queue.added, queue.freed = {}, {}
  queue.length, queue.size = queue.main.ready + queue.main.scheduled + queue.main.leased, queue.main.bytes
  queue.missing, queue.missing_bytes = 0, 0
end

local added, freed = 0, 0
for _, operation in ipairs(operations) do
  local queue = operation.queue
  if operation.value then
    local parts, enqueued = parts_of(queue, operation.number, operation.value)
    local kind = byte(operation.what)
    local stays = kind < 2
    freed = freed + (kind == 3 and parts.size or 0)
    if stays and not operation.section.is_dead then
      local state = state_of(queue, operation.number) or new_state(operation.number)
      local has_expired = parts.life and not state.immortal and enqueued + parts.life <= now
      stays = not has_expired and state.attempts + kind < queue.max_deliveries
    end

    if not stays and not operation.section.is_dead then
      queue.length, queue.size = queue.length - 1, queue.size - parts.size
      if parts.id then
        queue.freed[parts.id] = true
      end
    end
  else
    local parts = parse(operation.record, 1)
    operation.size = parts.size
    operation.is_repeat = parts.id and is_repeat(queue, parts.id)
    if not operation.is_repeat then
      added = added + parts.size
      queue.length, queue.size = queue.length + 1, queue.size + parts.size
      queue.missing = math.max(queue.missing, queue.length - queue.max_length)
      queue.missing_bytes = math.max(queue.missing_bytes, queue.size - queue.bytes_bound)
      local is_refusing = queue.overflow == 0
      if queue.missing > (is_refusing and 0 or queue.main.ready) then
        return { FULL_LENGTH, operation.index, format('%.0f', queue.max_length) }
      elseif queue.missing_bytes > (is_refusing and 0 or queue.main.ready_bytes) then
        return { FULL_BYTES, operation.index, format('%.0f', queue.bytes_bound) }
      end
    end
  end
end

-- With its memory full, a server takes what passes messages on and makes them no larger.
if freed >= added then
  go_on_when_full(queues[1])
else
  require_memory(queues[1].prefix)
end

for i = 1, #queues do
  drop_oldest(queues[i], queues[i].missing, queues[i].missing_bytes)
end

local stamp = struct.pack('<I8', now)
for _, operation in ipairs(operations) do
  local queue = operation.queue
  if operation.value then
    local kind, has_error, delay, length, from = struct.unpack('<BBI8I4', operation.what)
    local section, number = operation.section, operation.number
    if kind == 3 then
      call('HDEL', section.prefix .. 'leased', number)
      call('ZREM', section.prefix .. 'ends', number)
      section.leased = section.leased - 1
      complete(section, { number }, { operation.value }, now)
    else
      settle(section, number, operation.value, kind, delay, has_error == 1 and sub(operation.what, from + length), sub(operation.what, from, from + length - 1))
    end
  elseif operation.is_repeat then
    queue.duplicates = queue.duplicates + 1
  else
    queue.sequence = queue.sequence + 1
    local batch = begin_batch(stamp)
    add_to_batch(queue, batch, format('%d', queue.sequence), operation.record, operation.delay)
    write_batch(queue, batch)
    queue.main.bytes = queue.main.bytes + operation.size
    queue.largest = math.max(queue.largest, operation.size)
    queue.enqueued = queue.enqueued + 1
  end
end

for i = 1, #queues do
  queues[i].used = now
  save(queues[i])
end

return { OK, {} }
