-- Returns owner, fencing token and the microseconds that remain, or false where nobody holds the lock.
if not held then
    return false
end
return { owner, token, digits(ends - now) }
