-- Enter a worker, also when memory is full: see lib/full.lua.
-- KEYS: the set of workers; the worker's card.
-- ARGV: now; worker; life of the card (ms); its fields and values.
redis.call('DEL', KEYS[2])
redis.call('HSET', KEYS[2], unpack(ARGV, 4))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
