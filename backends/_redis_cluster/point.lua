-- Changes a pointer from what it was to something else, each '' if there is none; returns what it is now.
-- KEYS: the pointer. ARGV: what it was, what it shall be.
local was, wanted = unpack(ARGV)
local found = redis.call('GET', KEYS[1]) or ''
if found ~= was then return found end
if wanted == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], wanted) end
return wanted
