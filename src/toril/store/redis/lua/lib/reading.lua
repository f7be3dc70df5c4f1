-- use: base
-- A job as it stands: {id, state, due or empty, fields and values}.
local STATES = {'completed', 'failed', 'delayed', 'prioritized', 'waiting-children'}

local function lies_in(list, id)
  for _, other in ipairs(call('LRANGE', list, 0, -1)) do
    if other == id then return true end
  end
  return false
end

-- The state of a job, and its due time if it is delayed; BullMQ's order of looking.
local function state_of(q, id)
  for _, state in ipairs(STATES) do
    local score = call('ZSCORE', q .. state, id)
    if score then return state, state == 'delayed' and string.format('%.0f', math.floor(score / 4096)) or '' end
  end
  if call('EXISTS', q .. id .. ':lock') == 1 or lies_in(q .. 'active', id) then return 'active', '' end
  return 'waiting', ''
end

local function read_job(q, id, state, due)
  local fields = look('HGETALL', q .. id)
  if #fields == 0 then return nil end
  if not state then
    state, due = state_of(q, id)
  end
  return {id, state, due or '', fields}
end
