-- Writes a record's merged text in place of its updates, unless it has changed since; returns whether it did.
-- KEYS: the session's hash. ARGV: id, the SHA-1 of the line that was read, the new line.
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value or redis.sha1hex(value) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
return 1
