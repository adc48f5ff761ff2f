-- Changes the bindings of all queues of a prefix: a hash of QUEUE \0 PATTERN to the birth of the queue, and under the empty name a version
-- that no other state of it has had: not even one of data that were lost since, which a client may still remember.
-- KEYS[1]: the hash. ARGV: 1 add or remove, or drop for all of a queue; 2 the name QUEUE \0 PATTERN, or QUEUE \0; 3 the birth; empty: any;
-- 4 the version if something is changed, drawn at random.
-- Answers whether something was changed.

local changed = 0
if ARGV[1] == 'add' then
  changed = redis.call('HGET', KEYS[1], ARGV[2]) == ARGV[3] and 0 or 1
  redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
elseif ARGV[1] == 'remove' then
  changed = redis.call('HDEL', KEYS[1], ARGV[2])
else
  local all = redis.call('HGETALL', KEYS[1])
  for i = 1, #all, 2 do
    if string.sub(all[i], 1, #ARGV[2]) == ARGV[2] and all[i + 1] == ARGV[3] then
      changed = changed + redis.call('HDEL', KEYS[1], all[i])
    end
  end
end

if changed > 0 then
  redis.call('HSET', KEYS[1], '', ARGV[4])
end

return changed
