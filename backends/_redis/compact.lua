-- Writes a record's merged text in place of its updates, unless it has changed since it was read; returns whether it did.
-- KEYS: the pointer. ARGV: the hashes' prefix, id, the SHA-1 of the value that was read, the new value.
local hashes, id, digest, compacted = unpack(ARGV)
local _, session = locate(KEYS[1])
local value = session and redis.call('HGET', hashes .. session, id)
if value and redis.sha1hex(value) == digest then
  redis.call('HSET', hashes .. session, id, compacted)
  return 1
end
return 0
