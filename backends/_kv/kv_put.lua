-- Writes an entry if what is there is what was expected, and returns whether it was written.
-- KEYS: the entry, the set of all keys. ARGV: key, version, metadata, value, expected ('' for nothing, '*' for any).
local expected = ARGV[5]
if expected ~= '*' and (redis.call('HGET', KEYS[1], 'version') or '') ~= expected then return 0 end
redis.call('ZADD', KEYS[2], 0, ARGV[1]) -- first: a full server refuses a script at its first write or never
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'metadata', ARGV[3], 'value', ARGV[4])
return 1
