-- Deletes a record, its place in its session and its pointer; returns whether there was one.
-- KEYS: the pointer. ARGV: the hashes' prefix, id.
local _, session = locate(KEYS[1])
if not session then return 0 end
take_out(ARGV[1] .. session, ARGV[2])
return redis.call('DEL', KEYS[1])
