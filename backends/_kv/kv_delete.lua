-- Deletes an entry if it has the version that was expected; returns whether there was one, and -1 for another version.
-- KEYS: the entry, the set of all keys. ARGV: key, expected ('*' for any).
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return 0 end
if ARGV[2] ~= '*' and version ~= ARGV[2] then return -1 end
redis.call('ZREM', KEYS[2], ARGV[1])
return redis.call('DEL', KEYS[1])
