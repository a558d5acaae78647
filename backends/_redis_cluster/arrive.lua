-- Puts a record last in a session, marked as not yet there: the pointer will say.
-- KEYS: the session's hash. ARGV: id, the pointer's version, the one that it shall have, 'set' or 'update', text.
-- Returns the version that it must have; the mark of another that stands in the way.
local id, version, arriving, verb, text = unpack(ARGV)
local value = redis.call('HGET', KEYS[1], id)
local seq, mark, number = string.match(value or '', '^(%d+)([?!]?)(%d*)')
if mark == '' and verb == 'update' then return mark end
if mark and mark ~= '' and tonumber(number) > tonumber(version) then -- not a leftover
  if mark == '!' or verb == 'update' then return mark .. number end
  arriving = number -- whichever pointer is written, the later text of two is found
end
seq = redis.call('HINCRBY', KEYS[1], '\255', 1)
redis.call('HSET', KEYS[1], id, seq .. '?' .. arriving .. '\n' .. text)
return arriving
