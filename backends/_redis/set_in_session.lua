-- Inserts or replaces a record. KEYS: the pointer. ARGV: the hashes' prefix, id, session, text.
local hashes, id, to, text = unpack(ARGV)
local seq, session = locate(KEYS[1])
if session ~= to then seq = move(KEYS[1], hashes, id, session, to) end
redis.call('HSET', hashes .. to, id, seq .. '\n' .. text)
