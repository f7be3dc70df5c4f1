-- use: base, full, events, places, jobs, family, ending, wishes
-- Give back active jobs whose lock is gone: those of Toril's workers every 2 s, those of Node's by BullMQ's own sweep.
-- ARGV: now.
-- Returns {ids that were given back}.
-- Events: waiting, stalled (BullMQ's order); failed, retries-exhausted; of parents: waiting, delayed.
local SWEEP, NODES_SWEEP = 2000, 30000 -- ms; BullMQ's stalledInterval
local MOST = 500 -- jobs given back by one sweep, about 10 ms; the next one is soon
local MAX_STALLS = 1 -- BullMQ's maxStalledCount, for jobs that say nothing of it
local rescued = {}

local wishes = all_wishes(T)

local function is_ours(worker)
  return worker and worker:sub(1, 6) == 'toril:'
end

-- BullMQ's event, and beside it whose worker was lost.
local function tell_stalled(id, by)
  tell_more(tell(Q, 'stalled', 'jobId', id), 'worker', by and by:match('[^:]*$') or '')
end

-- A job of a Toril worker fails here; one of Node's is given back and fails when it is taken, as BullMQ has it.
local function lose(id, job, reason)
  if is_ours(job[2]) then
    local keep = own_keep(job[1])
    tell_stalled(id, job[2])
    fail(Q, id, {atm = whole(job[5]), deid = job[6], parent = job[7], opts = job[1]}, reason, 'active', keep[2])
    count_ended(Q, 'failed', 1)
    retain(Q, 'failed', keep[2], keep[3])
    return true
  end
  call('HSET', Q .. id, 'defa', reason)
  return false
end

-- BullMQ gives up no job of a schedule, however many of its workers have died of it.
local function is_exempt(by, schedule)
  return not is_ours(by) and schedule and call('EXISTS', Q .. 'repeat:' .. schedule) == 1
end

local function give_back(id)
  local key = Q .. id
  if call('LREM', Q .. 'active', 1, id) == 0 then return end
  local job = look('HMGET', key, 'opts', 'pb', 'rjk', 'name', 'atm', 'deid', 'parent', 'ats', 'stc')
  if not job[4] then return end -- a phantom
  rescued[#rescued + 1] = id
  local stalls = whole(job[9]) + 1
  call('HSET', key, 'stc', stalls)
  local most = tonumber(own_options(job[1]).stalls) or MAX_STALLS
  local reason = wished(wishes, id, job[8])
  if reason then call('HDEL', T .. 'cancel', id) end
  if not reason and stalls > most and not is_exempt(job[2], job[3]) then
    local times = stalls == 1 and 'once' or stalls .. ' times'
    reason = 'its worker died ' .. times .. ' while it ran (last: ' .. (job[2] and job[2]:match('[^:]*$') or 'unknown') .. ')'
  end
  if reason and lose(id, job, reason) then return end
  call('RPUSH', Q .. 'wait', id)
  tell(Q, 'waiting', 'jobId', id, 'prev', 'active')
  tell_stalled(id, job[2])
end

if call('SET', T .. 'sweep', '1', 'PX', SWEEP, 'NX') then
  local active = call('LRANGE', Q .. 'active', 0, -1)
  for _, id in ipairs(active) do -- the newest first: the oldest ends up foremost
    if #rescued >= MOST then break end
    if call('EXISTS', Q .. id .. ':lock') == 0 then
      local by = look('HGET', Q .. id, 'pb')
      if is_ours(by) then give_back(id) end
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
  in_parts('SREM', Q .. 'stalled', rescued)
  trim_events(Q)
  ring(Q)
end
return rescued
