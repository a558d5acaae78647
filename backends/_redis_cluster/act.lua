-- Does something to a record that is in this session, unless somebody else is at it.
-- KEYS: the session's hash. ARGV: id, the pointer's version, 'set', 'update', 'leave' or 'purge', text.
-- Returns the record's line afterwards, or its mark if that stands in the way; false if it is not there.
local id, version, verb, text = unpack(ARGV)
local value = redis.call('HGET', KEYS[1], id)
if not value then return false end
local seq, mark, number = string.match(value, '^(%d+)([?!]?)(%d*)')
local marked, known = tonumber(number) or 0, tonumber(version)
local goes = verb == 'leave' or verb == 'purge' -- two may take it away: the pointer decides between them
if marked > known or (mark == '!' and marked == known and not goes) then return mark .. number end
local texts = string.sub(value, #seq + #mark + #number + 1)
if verb == 'purge' then
  take_out(KEYS[1], id)
  return value
elseif verb == 'set' then
  value = seq .. '\n' .. text
elseif verb == 'update' then
  value = seq .. texts .. '\n' .. text
else
  value = seq .. '!' .. version .. texts
end
redis.call('HSET', KEYS[1], id, value)
return verb == 'set' and seq or value
