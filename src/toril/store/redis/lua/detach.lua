-- use: base, events, places, jobs, family
-- Take a job from its parent.
-- ARGV: now; id.
-- Returns 1; 0 if none waits for it; nothing if there is no such job.
-- Events: of the parent: waiting.
local key = Q .. ARGV[2]
local job = call('HMGET', key, 'name', 'parent')
if not job[1] then return nil end
local q, id = parent_of(job[2])
if not q or call('SISMEMBER', q .. id .. ':dependencies', key) == 0 then return 0 end
child_gone(job[2], key)
call('HDEL', key, 'parent', 'parentKey')
return 1
