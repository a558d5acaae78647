-- Appends updates to a record and returns its value; false if there is none.
-- KEYS: the pointer. ARGV: the hashes' prefix, id, the session it moves to or '', updates.
local hashes, id, to, updates = unpack(ARGV)
local seq, session = locate(KEYS[1])
local value = session and redis.call('HGET', hashes .. session, id)
if not value then return false end
if to ~= '' and to ~= session then
  local moved = move(KEYS[1], hashes, id, session, to)
  value = moved .. string.sub(value, #seq + 1)
  session = to
end
value = value .. '\n' .. updates
redis.call('HSET', hashes .. session, id, value)
return value
