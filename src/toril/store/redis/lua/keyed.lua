-- use: base
-- Who holds a deduplication key, and, with '1', nobody from now on.
-- ARGV: now; key; '1' or ''.
-- Returns the id of the job, or nothing.
local key = Q .. 'de:' .. ARGV[2]
local owner = call('GET', key)
if owner and call('PTTL', key) == -1 and call('EXISTS', Q .. owner) == 0 then owner = false end
if ARGV[3] == '1' then call('DEL', key, Q .. 'dn:' .. ARGV[2]) end
return owner
