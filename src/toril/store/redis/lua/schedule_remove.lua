-- use: base, events, jobs, removing
-- Forget a schedule and its next job, but not one that is ready.
-- ARGV: now; id.
-- Returns 1; 0 if there was none.
-- Events: removed.
local id = ARGV[2]
local tick = call('ZSCORE', Q .. 'repeat', id)
if not tick then return 0 end
local job = 'repeat:' .. id .. ':' .. string.format('%.0f', tick)
if call('ZREM', Q .. 'delayed', job) == 1 then
  forget(Q, {job})
  tell(Q, 'removed', 'jobId', job, 'prev', 'delayed')
end
call('ZREM', Q .. 'repeat', id)
call('DEL', Q .. 'repeat:' .. id, T .. 'schedule:' .. id)
return 1
