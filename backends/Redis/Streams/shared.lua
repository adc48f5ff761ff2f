-- Begins every script of a partition. KEYS: its numbers, a hash; its records, a Redis Stream; its producers, a hash; when each appended last, a sorted set.
-- An entry of the stream is a row: some records of one append. Its id is the offset of its first record plus 1, because ids begin at 1. Its fields, in this order: n, how many
-- records; b, their bytes; s, the bytes of all rows before it; t, when it was appended; m, the highest timestamp in it; r, the highest in it and all before it; c, a checksum; d, the
-- records. Timestamps are ticks of .NET in 19 digits, which are too large for a number of Lua, and compare as text.

local RETAIN_ROWS, RETAIN_BYTES, CHUNK = 1000, 4194304, 10

-- Numbers of this size have more digits than Lua writes by itself.
local function digits(number)
    return string.format('%.0f', number)
end

local time = redis.call('TIME')

-- An instant in ticks: seconds and microseconds of Unix time.
local function ticks(seconds, microseconds)
    seconds = seconds + 62135596800
    return seconds < 0 and string.rep('0', 19) or string.format('%012.0f%07.0f', seconds, microseconds * 10)
end

local now = ticks(tonumber(time[1]), tonumber(time[2]))

-- The partition, false where it is gone: deleted, or made anew since the caller opened it.
local function partition(id)
    local v = redis.call('HMGET', KEYS[1], 'id', 'earliest', 'end', 'total', 'base', 'reached', 'maxAge', 'maxBytes', 'maxRecords')
    if v[1] ~= id then
        return false
    end
    return {
        earliest = tonumber(v[2]), stop = tonumber(v[3]), total = tonumber(v[4]), base = tonumber(v[5]), reached = v[6],
        max_age = v[7] ~= '' and v[7], max_bytes = tonumber(v[8]), max_records = tonumber(v[9]),
    }
end

local function row(entry)
    local f = entry[2]
    local first = tonumber(string.match(entry[1], '^%d+')) - 1
    return { id = entry[1], first = first, next = first + f[2], count = tonumber(f[2]), bytes = tonumber(f[4]), before = tonumber(f[6]), newest = f[10], reached = f[12],
        entry = entry }
end

-- The row that holds an offset, nil where there is none.
local function row_at(offset)
    local found = redis.call('XREVRANGE', KEYS[2], digits(offset + 1) .. '-0', '-', 'COUNT', 1)
    return found[1] and row(found[1])
end

-- What a reader needs of a row.
local function packed(entry)
    local f = entry[2]
    return { entry[1], f[2], f[8], f[14], f[16] }
end

-- Moves the start, and frees the rows that lie wholly before it.
local function move_start(p, earliest)
    local first = earliest < p.stop and row_at(earliest)
    p.earliest = earliest
    p.base = first and first.before or p.total
    redis.call('XTRIM', KEYS[2], 'MINID', '=', first and first.id or digits(p.stop + 1) .. '-0')
    redis.call('HSET', KEYS[1], 'earliest', digits(p.earliest), 'base', digits(p.base))
end

-- Where the start may move by bytes and age: from row to row, some at a time so that no call takes long.
local function walk(p)
    local oldest = ''
    if p.max_age then
        local seconds, microseconds = string.match(p.max_age, '^(%d+)%.(%d+)$')
        seconds, microseconds = time[1] - seconds, time[2] - microseconds
        if microseconds < 0 then
            seconds, microseconds = seconds - 1, microseconds + 1000000
        end
        oldest = ticks(seconds, microseconds)
    end
    local earliest, from, rows, bytes = p.earliest, '-', 0, 0
    while rows < RETAIN_ROWS and bytes < RETAIN_BYTES do
        local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', rows == 0 and 1 or CHUNK)
        for _, entry in ipairs(entries) do
            local r = row(entry)
            if not ((p.max_bytes and p.total - r.before - r.bytes >= p.max_bytes) or r.newest < oldest) then
                return earliest
            end
            earliest, from, rows, bytes = math.max(earliest, r.next), '(' .. r.id, rows + 1, bytes + r.bytes
        end
        if #entries == 0 then
            break
        end
    end
    return earliest
end

-- Moves the start to where the bounds no longer keep what lies before.
local function retain(p)
    if p.max_records and p.stop - p.max_records > p.earliest then
        move_start(p, p.stop - p.max_records)
    end
    if p.max_bytes or p.max_age then
        local earliest = walk(p)
        if earliest > p.earliest then
            move_start(p, earliest)
        end
    end
end
