-- What storing messages needs, for enqueue.lua and transaction.lua.

-- Redis refuses this with its memory full, and it does nothing else. For what makes something new, before anything is written: after the first write, which
-- may be one that frees memory, nothing is refused.
local function require_memory(prefix)
  call('ZADD', prefix .. 'ends', 'XX', 0, '')
end

-- Which messages of a batch repeat an id (law Q2). Returns a list of digits, or nil when none does; how many are stored; and the bytes of their bodies.
local function find_repeats(queue, count, offset, bytes)
  local ids, at = {}, {}
  for i = 1, count do
    local record = ARGV[offset + i]
    if byte(record) % 2 == 1 then
      ids[#ids + 1] = sub(record, 7, 22)
      at[#at + 1] = i
    end
  end

  if #ids == 0 then
    return nil, count, bytes
  end

  local stored = count
  local repeats
  local seen = {}
  for first = 1, #ids, 1000 do
    local last = min(first + 999, #ids)
    local live = call('HMGET', queue.prefix .. 'ids', unpack(ids, first, last))
    local settled = queue.window > 0 and call('ZMSCORE', queue.prefix .. 'window', unpack(ids, first, last)) or {}
    for j = first, last do
      local settled_at = settled[j - first + 1]
      if seen[ids[j]] or live[j - first + 1] or (settled_at and tonumber(settled_at) + queue.window / 10 > now) then
        if not repeats then
          repeats = {}
          for i = 1, count do
            repeats[i] = '0'
          end
        end

        repeats[at[j]] = '1'
        stored = stored - 1
        local a, b, c, d = byte(ARGV[offset + at[j]], 3, 6)
        bytes = bytes - (a + b * 256 + c * 65536 + d * 16777216)
      end

      seen[ids[j]] = true
    end
  end

  return repeats, stored, bytes
end

local function begin_batch(stamp)
  return { stamp = stamp, fields = {}, lists = {}, ids = {}, due = {}, expiry = {} }
end

local function add_to_list(queue, batch, number, priority, size)
  local main = queue.main
  local list = batch.lists[priority]
  if not list then
    list = {}
    batch.lists[priority] = list
    main.lists = bit.bor(main.lists, bit.lshift(1, priority))
  end

  list[#list + 1] = number
  main.ready = main.ready + 1
  main.ready_bytes = main.ready_bytes + size
end

-- Notes one message; what can be written with others of the batch in one command is written by write_batch.
local function add_to_batch(queue, batch, number, record, delay)
  local main = queue.main
  local fields = batch.fields
  fields[#fields + 1] = number
  fields[#fields + 1] = batch.stamp .. record
  local flags, priority, a, b, c, d = byte(record, 1, 6)
  if flags % 2 == 1 then
    batch.ids[#batch.ids + 1] = sub(record, 7, 22)
    batch.ids[#batch.ids + 1] = number
  end

  if flags % 8 <= 1 and delay == 0 then
    add_to_list(queue, batch, number, priority, a + b * 256 + c * 65536 + d * 16777216)
    return
  end

  local parts = parse(record, 1)
  if parts.life then
    batch.expiry[#batch.expiry + 1] = format('%d', now + parts.life)
    batch.expiry[#batch.expiry + 1] = number
    expect(queue, now + parts.life)
  end

  if delay > 0 then
    batch.due[#batch.due + 1] = format('%d', now + delay)
    batch.due[#batch.due + 1] = number
    main.scheduled = main.scheduled + 1
    expect(queue, now + delay)
    return
  end

  main.ready = main.ready + 1
  main.ready_bytes = main.ready_bytes + parts.size
  if parts.key then
    join(main, number, parts.key, priority, number, number)
  else
    -- It may have to be taken out of the middle when it expires, which a list does slowly.
    add_back(main, number, priority, number)
  end
end

local function write_batch(queue, batch)
  send('HSET', queue.messages, batch.fields)
  send('HSET', queue.prefix .. 'ids', batch.ids)
  send('ZADD', queue.prefix .. 'due', batch.due)
  send('ZADD', queue.prefix .. 'expiry', batch.expiry)
  for priority, list in pairs(batch.lists) do
    send('RPUSH', queue.prefix .. 'new:' .. priority, list)
  end
end
