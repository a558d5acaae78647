-- Ends what a mark stands for, if it is still there. KEYS: the session's hash.
-- ARGV: id, mark and version, '1' if the record is here to stay, else ''. Returns whether there was a line.
local id, mark, stays = unpack(ARGV)
local value = redis.call('HGET', KEYS[1], id)
if not value then return 0 end
local seq, found = string.match(value, '^(%d+)([?!]%d+)')
if found ~= mark then return 1 end
if stays == '1' then
  redis.call('HSET', KEYS[1], id, seq .. string.sub(value, #seq + #mark + 1))
else
  take_out(KEYS[1], id)
end
return 1
