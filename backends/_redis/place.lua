-- Shared by the scripts of records that belong to a session; it is put in front of each.
-- The pointer key holds 'seq session'. The session's hash holds id -> 'seq\ntext\nupdates\nupdates...', and
-- the last seq that it gave under \255, which no id can equal.

local function locate(pointer)
  local place = redis.call('GET', pointer)
  if place then return string.match(place, '^(%d+) (.*)$') end
end

local function take_out(hash, id)
  redis.call('HDEL', hash, id)
  if redis.call('HLEN', hash) == 1 then redis.call('DEL', hash) end -- only the counter is left
end

-- Takes the record out of `from`, if it is in one, and gives it the last place in `to`.
local function move(pointer, hashes, id, from, to)
  local seq = redis.call('HINCRBY', hashes .. to, '\255', 1) -- first: a full server refuses it
  if from then take_out(hashes .. from, id) end
  redis.call('SET', pointer, seq .. ' ' .. to)
  return seq
end

