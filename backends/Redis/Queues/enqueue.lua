-- Stores a batch, all or nothing.
-- ARGV: 2 number of messages; 3 whether several callers share the batch, 1 or 0; 4 bytes of all bodies; 5 bytes of the largest; 6 the priority of all if
-- none has an id, a lifetime, a key or a delay, else empty; 7 delays in microseconds, eight bytes each, empty if there are none; 8 the queue's birth if it
-- must still be that one, else empty; 9 and following the records.
-- Answers { code, number before the first, time in microseconds, salt, outcomes }: a digit a message, 1 for a repeat; empty when none is one.

if advance then
  require_memory(sub(KEYS[1], 1, -6))
end

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

if ARGV[8] ~= '' and tonumber(ARGV[8]) ~= queue.birth then
  return { ABSENT }
end

local count = tonumber(ARGV[2])
local main = queue.main
local bytes = tonumber(ARGV[4])
local base = queue.sequence
local stamp = struct.pack('<I8', now)
local stored = count
local repeats

if ARGV[6] == '' then
  repeats, stored, bytes = find_repeats(queue, count, 8, bytes)
end

if stored > 0 then
  local missing = main.ready + main.scheduled + main.leased + stored - queue.max_length
  local missing_bytes = main.bytes + bytes - queue.bytes_bound
  if missing > 0 or missing_bytes > 0 then
    if ARGV[3] == '1' then
      return { SPLIT }
    end

    local is_refusing = queue.overflow == 0
    if missing > (is_refusing and 0 or main.ready) then
      return { FULL_LENGTH, format('%.0f', queue.max_length) }
    elseif missing_bytes > (is_refusing and 0 or main.ready_bytes) then
      return { FULL_BYTES, format('%.0f', queue.bytes_bound) }
    elseif not drop_oldest then
      return { MORE }
    end

    drop_oldest(queue, missing, missing_bytes)
  end
end

queue.largest = math.max(queue.largest, tonumber(ARGV[5]))
queue.sequence = base + count
if ARGV[6] ~= '' then
  local numbers, fields = {}, {}
  for i = 1, count do
    local number = format('%d', base + i)
    numbers[i] = number
    fields[2 * i - 1], fields[2 * i] = number, stamp .. ARGV[8 + i]
  end

  send('HSET', queue.messages, fields)
  send('RPUSH', queue.prefix .. 'new:' .. ARGV[6], numbers)
  main.lists = bit.bor(main.lists, bit.lshift(1, tonumber(ARGV[6])))
  main.ready = main.ready + count
  main.ready_bytes = main.ready_bytes + bytes
else
  local delays = ARGV[7]
  local batch = begin_batch(stamp)
  for i = 1, count do
    if not (repeats and repeats[i] == '1') then
      add_to_batch(queue, batch, format('%d', base + i), ARGV[8 + i], delays ~= '' and struct.unpack('<I8', delays, 8 * i - 7) or 0)
    end
  end

  write_batch(queue, batch)
  queue.duplicates = queue.duplicates + count - stored
end

main.bytes = main.bytes + bytes
queue.enqueued = queue.enqueued + stored
queue.used = now
save(queue)
return { OK, base, now, queue.salt, repeats and table.concat(repeats) or '' }
