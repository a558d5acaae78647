-- Returns version, metadata and value of each entry; false for the value if it is too long, and for what is not there.
-- KEYS: the entries. ARGV: the longest value, in bytes.
local longest = tonumber(ARGV[1])
local found = {}
for i, key in ipairs(KEYS) do
  found[i] = false
  if redis.call('EXISTS', key) == 1 then
    local entry = redis.call('HMGET', key, 'version', 'metadata')
    entry[3] = redis.call('HSTRLEN', key, 'value') <= longest and redis.call('HGET', key, 'value')
    found[i] = entry
  end
end
return found
