-- Returns keys in order, each followed by its version. KEYS: the set of all keys.
-- ARGV: what the entries' own keys begin with, the first and the last key as ZRANGEBYLEX takes them, how many at most.
local keys = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[2], ARGV[3], 'LIMIT', 0, ARGV[4])
local found = {}
for i, key in ipairs(keys) do
  found[2 * i - 1] = key
  found[2 * i] = redis.call('HGET', ARGV[1] .. key, 'version')
end
return found
