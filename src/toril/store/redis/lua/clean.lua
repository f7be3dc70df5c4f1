-- use: base, full, events, places, jobs, family, removing
-- Remove old jobs of a state, the first in its order first: those that ended by a time, or, not ended, were last taken
-- or else added by then. The next jobs of schedules stay, and so do jobs that a live worker runs.
-- ARGV: now; state; before; how many at most; mark from which to go on (score and id, or place from the front), or ''.
-- Returns {ids; score of the last one looked at, or '' if all were; its id}.
-- Events: cleaned.
local state, before, limit = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local LOOK = 500 -- jobs that one call looks at, about 10 ms
local ended = state == 'completed' or state == 'failed'
local list = ({waiting = 'wait', active = 'active'})[state]
local removed, seen = {}, 0
local last, last_id = '', ''

local function old(id)
  local job = look('HMGET', Q .. id, 'finishedOn', 'processedOn', 'timestamp', 'name')
  if not job[4] then return false end
  local at = tonumber(ended and job[1] or job[2] or job[3]) or 0
  return at <= before and not is_next_tick(Q, id) and (state ~= 'active' or call('EXISTS', Q .. id .. ':lock') == 0)
end

local candidates, marks = {}, {}
if list then
  local skip = tonumber(ARGV[5]) or 0
  local ids = call('LRANGE', Q .. list, -skip - LOOK, -skip - 1)
  for i = #ids, 1, -1 do
    candidates[#candidates + 1] = ids[i]
    marks[#marks + 1] = skip + #candidates
  end
else
  local found = call('ZRANGEBYSCORE', Q .. state, ARGV[5] ~= '' and ARGV[5] or '-inf', ended and before or '+inf',
    'WITHSCORES', 'LIMIT', 0, LOOK)
  for i = 1, #found, 2 do
    if not (found[i + 1] == ARGV[5] and found[i] <= ARGV[6]) then
      candidates[#candidates + 1] = found[i]
      marks[#marks + 1] = found[i + 1]
    end
  end
end
local kept = 0
for i, id in ipairs(candidates) do
  if #removed >= limit then break end
  last, last_id, seen = marks[i], id, i
  if old(id) then
    removed[#removed + 1] = id
    if list then call('LSET', Q .. list, -marks[i], GONE) else call('ZREM', Q .. state, id) end
  elseif list then
    kept = kept + 1
  end
end
if list and #removed > 0 then call('LREM', Q .. list, -#removed, GONE) end
forget(Q, removed)
if #removed > 0 then
  tell(Q, 'cleaned', 'count', #removed)
  trim_events(Q)
end
if #candidates < LOOK and seen == #candidates then last = '' end
if list and last ~= '' then last = (tonumber(ARGV[5]) or 0) + kept end
return {removed, tostring(last), last_id}
