-- Begins every script of state. KEYS: the documents, a hash of 'version:value' by key; their keys, a sorted set with score 0, for lists in the order of bytes; the revision.

-- Of a document, false where there is none.
local function version_of(document)
    return document and string.match(document, '^%d+')
end

local function revision()
    return redis.call('GET', KEYS[3]) or '0'
end

-- The next revision: at least the microseconds of the server's clock, so that none repeats where the last ones were lost with a server.
local function next_revision()
    local time = redis.call('TIME')
    local next = string.format('%.0f', math.max(revision() + 1, time[1] * 1000000 + time[2]))
    redis.call('SET', KEYS[3], next)
    return next
end
