-- Opens a queue, creating it if it does not exist; notes that a receiver is there, or that it has gone.
-- ARGV: 2 whether to create, 1 or 0; 3 salt and 4 birth of a new queue, drawn at random; 5 settings of a new queue, eight numbers; 6 a receiver, or empty;
-- 7 for how long it is present, in microseconds; 0: it has gone.
-- Answers { code, whether it was created, birth }.

local queue, code = arrive(KEYS[1])
if not queue and code ~= ABSENT and code ~= DELETED then
  return { code }
end

local is_new = not queue
if is_new then
  if ARGV[2] == '0' then
    return { code }
  end

  queue = create(KEYS[1], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5])
elseif ARGV[6] ~= '' then
  go_on_when_full(queue)
end

if ARGV[6] ~= '' then
  if ARGV[7] == '0' then
    call('ZREM', queue.prefix .. 'receivers', ARGV[6])
  else
    call('ZADD', queue.prefix .. 'receivers', format('%d', now + tonumber(ARGV[7])), ARGV[6])
  end

  queue.used = now
end

if is_new or ARGV[6] ~= '' then
  save(queue)
end

return { OK, is_new and 1 or 0, format('%d', queue.birth) }
