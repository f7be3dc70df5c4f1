-- Enter queues among those that are used, also when memory is full: see lib/full.lua.
-- KEYS: the set of them.
-- ARGV: their names.
redis.call('DEL', KEYS[1] .. ':none')
redis.call('SADD', KEYS[1], unpack(ARGV))
