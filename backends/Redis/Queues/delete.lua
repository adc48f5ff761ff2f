-- Deletes a queue with all that belongs to it. Answers { code, birth }.

local queue, code = arrive(KEYS[1])
if not queue then
  return { code }
end

delete_queue(queue)
return { OK, format('%d', queue.birth) }
