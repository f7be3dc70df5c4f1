-- use: base, events, places, jobs
-- Give a job another time, priority or data.
-- ARGV: now; id; due or ''; priority or ''; '1' if data follow; data.
-- Returns 1; 0 if it is not there, or is to be due at a time and is not delayed.
-- Events: delayed.
local id, due, priority = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local key = Q .. id
if call('EXISTS', key) == 0 then return 0 end
if due then
  if call('ZREM', Q .. 'delayed', id) == 0 then return 0 end
  place_delayed(Q, id, due)
  call('HSET', key, 'delay', math.max(due - now, 0))
  tell(Q, 'delayed', 'jobId', id, 'delay', due)
  ring_later(Q)
end
if ARGV[5] == '1' then call('HSET', key, 'data', ARGV[6]) end
if priority and priority ~= whole(call('HGET', key, 'priority')) then
  call('HSET', key, 'priority', priority)
  if call('ZREM', Q .. 'prioritized', id) + call('LREM', Q .. 'wait', 1, id) > 0 then
    place_ready(Q, id, priority)
    ring(Q)
  end
end
return 1
