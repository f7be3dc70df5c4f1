-- use: base, events, places, jobs, family, ending
-- Give back active jobs whose lock is gone: those of Toril's workers every 2 s, those of Node's by BullMQ's own sweep.
-- ARGV: now.
-- Returns {ids that were given back}.
-- Events: waiting, stalled.
local SWEEP, NODES_SWEEP = 2000, 30000 -- ms; BullMQ's stalledInterval
local MAX_STALLS = 1 -- BullMQ's maxStalledCount, for jobs that say nothing of it
local rescued = {}

local function give_back(id)
  local key = Q .. id
  if call('LREM', Q .. 'active', 1, id) == 0 then return end
  local job = call('HMGET', key, 'opts', 'pb', 'rjk', 'name')
  if not job[4] then return end -- a phantom
  local stalls = call('HINCRBY', key, 'stc', 1)
  local most = tonumber(((decoded(job[1]) or {}).toril or {}).stalls) or MAX_STALLS
  if stalls > most then
    local times = stalls == 1 and 'once' or stalls .. ' times'
    call('HSET', key, 'defa', 'its worker died ' .. times .. ' while it ran (last: ' .. (job[2] or 'unknown') .. ')')
  end
  call('RPUSH', Q .. 'wait', id)
  tell(Q, 'waiting', 'jobId', id, 'prev', 'active')
  tell(Q, 'stalled', 'jobId', id)
  rescued[#rescued + 1] = id
end

if call('SET', T .. 'sweep', '1', 'PX', SWEEP, 'NX') then
  local active = call('LRANGE', Q .. 'active', 0, -1)
  for _, id in ipairs(active) do -- the newest first: the oldest ends up foremost
    if call('EXISTS', Q .. id .. ':lock') == 0 then
      local by = call('HGET', Q .. id, 'pb')
      if by and by:sub(1, 6) == 'toril:' then give_back(id) end
    end
  end
end
if call('SET', Q .. 'stalled-check', now, 'PX', NODES_SWEEP, 'NX') then
  local suspects = call('SMEMBERS', Q .. 'stalled')
  call('DEL', Q .. 'stalled')
  for _, id in ipairs(suspects) do
    if call('EXISTS', Q .. id .. ':lock') == 0 then give_back(id) end
  end
  in_parts('SADD', Q .. 'stalled', call('LRANGE', Q .. 'active', 0, -1))
end
if #rescued > 0 then
  call('SREM', Q .. 'stalled', unpack(rescued))
  trim_events(Q)
  ring(Q)
end
return rescued
