-- Let a worker's lease count from now.
-- KEYS: the set of workers; the worker's card.
-- ARGV: now; worker; life of the card (ms).
-- Returns 1; 0 if the worker had been forgotten.
if redis.call('PEXPIRE', KEYS[2], ARGV[3]) == 0 then return 0 end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
return 1
