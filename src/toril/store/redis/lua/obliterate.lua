-- use: base, full, events, jobs, family, removing
-- Remove up to 500 jobs of a paused queue, whatever their state; when there are none, what else it has.
-- ARGV: now; '1' to remove active jobs too.
-- Returns how many; -1: it is not paused; -2 and how many: it has active jobs.
local MOST = 500 -- about 10 ms
if call('EXISTS', Q .. 'meta') == 1 and call('HEXISTS', Q .. 'meta', 'paused') == 0 then return {-1} end
local active = call('LLEN', Q .. 'active')
if active > 0 and ARGV[2] ~= '1' then return {-2, active} end
local gone = {}
for _, list in ipairs({'active', 'wait', 'paused'}) do
  local ids = #gone < MOST and call('LRANGE', Q .. list, 0, MOST - #gone - 1) or {}
  call('LTRIM', Q .. list, #ids, -1)
  for _, id in ipairs(ids) do
    if list == 'active' then call('DEL', Q .. id .. ':lock') end
    gone[#gone + 1] = id
  end
end
for _, set in ipairs({'prioritized', 'delayed', 'waiting-children', 'completed', 'failed'}) do
  local ids = #gone < MOST and call('ZRANGE', Q .. set, 0, MOST - #gone - 1) or {}
  if #ids > 0 then call('ZREMRANGEBYRANK', Q .. set, 0, #ids - 1) end
  for _, id in ipairs(ids) do gone[#gone + 1] = id end
end
forget(Q, gone)
if #gone == 0 then
  for _, id in ipairs(call('ZRANGE', Q .. 'repeat', 0, -1)) do call('DEL', Q .. 'repeat:' .. id, T .. 'schedule:' .. id) end
  for _, part in ipairs({'repeat', 'events', 'stalled', 'stalled-check', 'id', 'pc', 'marker', 'meta', 'limiter',
    'metrics:completed', 'metrics:completed:data', 'metrics:failed', 'metrics:failed:data'}) do
    call('UNLINK', Q .. part)
  end
  for _, part in ipairs({'details', 'arrived', 'bounds', 'cancel', 'expiry', 'paused', 'sweep'}) do
    call('UNLINK', T .. part)
  end
end
return {#gone}
