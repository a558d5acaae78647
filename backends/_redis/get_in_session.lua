-- Returns the record's value; false if there is none. KEYS: the pointer. ARGV: the hashes' prefix, id.
local _, session = locate(KEYS[1])
return session and redis.call('HGET', ARGV[1] .. session, ARGV[2])
