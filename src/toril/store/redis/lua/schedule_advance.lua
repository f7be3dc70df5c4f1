-- use: base, full, events, places, jobs
-- Make the next job of a schedule whose tick was taken, provided that no other worker has.
-- ARGV: now; id; the tick that was taken; the next one, or '' if there is none; name; data; opts; priority; expiry or '';
--   ticks made.
-- Returns 1; 0 if it has gone on or is gone; -1 if a job of the next tick is there already.
-- Events: added; waiting or delayed.
local id, taken, tick = ARGV[2], ARGV[3], ARGV[4]
local score = call('ZSCORE', Q .. 'repeat', id)
if not score or string.format('%.0f', score) ~= taken then return 0 end
if tick == '' then
  call('HSET', T .. 'schedule:' .. id, 'last', taken)
  return 1
end
local job = 'repeat:' .. id .. ':' .. tick
if call('EXISTS', Q .. job) == 1 then return -1 end
call('ZADD', Q .. 'repeat', tick, id)
call('HINCRBY', Q .. 'repeat:' .. id, 'ic', 1)
call('HSET', T .. 'schedule:' .. id, 'last', taken, 'ticks', ARGV[10])
call('INCR', Q .. 'id')
local new = {id = job, name = ARGV[5], data = ARGV[6], opts = ARGV[7], priority = tonumber(ARGV[8]),
  due = tonumber(tick), rjk = id, expires = tonumber(ARGV[9])}
if write_job(Q, new) then ring(Q) end
trim_events(Q)
return 1
