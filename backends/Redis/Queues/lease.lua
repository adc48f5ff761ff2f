-- Leases messages in the order of law Q3, for one or several receivers of a process.
-- ARGV: 2 section, m or d; 3 lease in microseconds; 4 whether to settle, 1 or 0; 5 bytes of bodies beyond which one more is too many; 6 at most so many in
-- all; then for each receiver how many it takes at most, and eight random bytes, this lease's half of the tokens. The first receiver is served first.
-- Answers { code, microseconds until something happens by itself (-1: nothing does), whether more can be leased, salt, numbers, records, states }.
-- What is leased: leased, a hash of NUMBER to the random bytes, flags, priority and size of the record, and an s if it has a state; ends, the lease ends.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

local section = ARGV[2] == 'm' and queue.main or queue.dead
local limit = tonumber(ARGV[6])
local prefix = section.prefix

-- Bodies are held in memory until the reply is sent: a hundred large ones must not be asked for at once.
if queue.largest * limit > tonumber(ARGV[5]) then
  limit = math.max(1, min(limit, math.floor(tonumber(ARGV[5]) / queue.largest)))
end

local numbers, back = {}, {}

local function take_list(priority, count)
  local taken = call('LPOP', prefix .. 'new:' .. priority, count) or {}
  if #taken < count then
    section.lists = bit.band(section.lists, bit.bnot(bit.lshift(1, priority)))
  end

  if #numbers == 0 then
    numbers = taken
  else
    for i = 1, #taken do
      numbers[#numbers + 1] = taken[i]
    end
  end
end

local function take_merged(priority, count)
  local returned = call('ZRANGE', prefix .. 'back:' .. priority, 0, count - 1, 'WITHSCORES')
  if #returned < 2 * count then
    section.backs = bit.band(section.backs, bit.bnot(bit.lshift(1, priority)))
  end

  local fresh = {}
  if bit.band(section.lists, bit.lshift(1, priority)) ~= 0 then
    fresh = call('LRANGE', prefix .. 'new:' .. priority, 0, count - 1)
  end

  local from_back, from_list = 0, 0
  while from_back + from_list < count do
    local number, sequence = returned[2 * from_back + 1], returned[2 * from_back + 2]
    local first = fresh[from_list + 1]
    if number and (not first or tonumber(sequence) < tonumber(first)) then
      from_back = from_back + 1
      numbers[#numbers + 1] = number
      back[number] = true
    elseif first then
      from_list = from_list + 1
      numbers[#numbers + 1] = first
    else
      break
    end
  end

  if from_back > 0 then
    call('ZREMRANGEBYRANK', prefix .. 'back:' .. priority, 0, from_back - 1)
    if from_back * 2 < #returned then
      section.backs = bit.bor(section.backs, bit.lshift(1, priority))
    end
  elseif #returned > 0 then
    section.backs = bit.bor(section.backs, bit.lshift(1, priority))
  end

  if from_list > 0 then
    call('LTRIM', prefix .. 'new:' .. priority, from_list, -1)
  end
end

local priority = 9
while priority >= 0 and #numbers < limit and (section.lists > 0 or section.backs > 0) do
  local level = bit.lshift(1, priority)
  if bit.band(section.backs, level) ~= 0 then
    take_merged(priority, limit - #numbers)
  elseif bit.band(section.lists, level) ~= 0 then
    take_list(priority, limit - #numbers)
  end

  priority = priority - 1
end

local count = #numbers
local records = count > 0 and call('HMGET', queue.messages, unpack(numbers)) or {}

-- What an eviction or a hand has taken away cannot be given out; the others can.
for i = count, 1, -1 do
  if not records[i] then
    table.remove(numbers, i)
    table.remove(records, i)
    section.ready = section.ready - 1
    count = count - 1
    if count == 0 then
      save(queue)
    end
  end
end

if count > 0 then
  local states = false
  if next(back) then
    states = call('HMGET', queue.prefix .. 'states', unpack(numbers))
  end

  local receiver = 7
  local key, left = ARGV[8], tonumber(ARGV[7])
  local end_of_lease = now + tonumber(ARGV[3])
  local stamp = format('%d', end_of_lease)
  local values, leases, ends, expiring = {}, {}, {}, {}
  local bytes = 0
  for i = 1, count do
    local number, record = numbers[i], records[i]
    local flags, _, a, b, c, d = byte(record, 9, 14)
    bytes = bytes + a + b * 256 + c * 65536 + d * 16777216
    if left == 0 then
      receiver = receiver + 2
      key, left = ARGV[receiver + 1], tonumber(ARGV[receiver])
    end

    left = left - 1
    local value = lease_value(key, record)
    if states and states[i] then
      value = value .. 's'
    end

    values[i] = value
    leases[2 * i - 1], leases[2 * i] = number, value
    ends[2 * i - 1], ends[2 * i] = stamp, number
    if flags % 4 >= 2 then
      expiring[#expiring + 1] = number
    end
  end

  section.ready = section.ready - count
  section.ready_bytes = section.ready_bytes - bytes
  send('ZREM', queue.prefix .. 'expiry', expiring)
  if ARGV[4] == '1' then
    complete(section, numbers, values, now)
  else
    send('HSET', prefix .. 'leased', leases)
    send('ZADD', prefix .. 'ends', ends)
    section.leased = section.leased + count
    expect(queue, end_of_lease)
  end

  queue.used = now
  save(queue)
  return { OK, queue.next_event == NEVER and -1 or queue.next_event - now, section.ready > section.blocked and 1 or 0, queue.salt, numbers, records, states or {} }
end

return { OK, queue.next_event == NEVER and -1 or queue.next_event - now, 0, queue.salt, {}, {}, {} }
