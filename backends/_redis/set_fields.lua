-- Replaces a hash record whole. KEYS: the record. ARGV: name, text, name, text, ...
redis.call('DEL', KEYS[1])
for i = 1, #ARGV, 1000 do -- unpack has room for some thousands only
  redis.call('HSET', KEYS[1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
