-- Replaces a hash record whole. KEYS: the record. ARGV: name, text, name, text, ...
-- A full server refuses a script at its first write if that may need memory, and at no later one.
redis.call('HSET', KEYS[1], '\255', '')
redis.call('DEL', KEYS[1])
for i = 1, #ARGV, 1000 do -- unpack has room for some thousands only
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
