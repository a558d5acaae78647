-- Merges fields into a hash record and returns it whole; false if there is none.
-- KEYS: the record. ARGV: name, text, name, text, ...
if redis.call('EXISTS', KEYS[1]) == 0 then return false end
for i = 1, #ARGV, 1000 do -- unpack has room for some thousands only
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
return redis.call('HGETALL', KEYS[1])
