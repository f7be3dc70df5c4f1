-- use: base, events, jobs, family, removing
-- Remove up to 1,000 jobs of a paused queue, whatever their state; when there are none, what else it has.
-- ARGV: now; '1' to remove active jobs too.
-- Returns how many; -1: it is not paused; -2 and how many: it has active jobs.
if call('EXISTS', Q .. 'meta') == 1 and call('HEXISTS', Q .. 'meta', 'paused') == 0 then return {-1} end
local active = call('LLEN', Q .. 'active')
if active > 0 and ARGV[2] ~= '1' then return {-2, active} end
local count = 0
for _, list in ipairs({'active', 'wait', 'paused'}) do
  for _, id in ipairs(call('LRANGE', Q .. list, 0, 999 - count)) do
    call('LREM', Q .. list, 1, id)
    call('DEL', Q .. id .. ':lock')
    forget(Q, T, id)
    count = count + 1
  end
end
for _, set in ipairs({'prioritized', 'delayed', 'waiting-children', 'completed', 'failed'}) do
  if count < 1000 then
    for _, id in ipairs(call('ZRANGE', Q .. set, 0, 999 - count)) do
      call('ZREM', Q .. set, id)
      forget(Q, T, id)
      count = count + 1
    end
  end
end
if count == 0 then
  for _, id in ipairs(call('ZRANGE', Q .. 'repeat', 0, -1)) do call('DEL', Q .. 'repeat:' .. id, T .. 'schedule:' .. id) end
  for _, part in ipairs({'repeat', 'events', 'stalled', 'stalled-check', 'id', 'pc', 'marker', 'meta', 'limiter',
    'metrics:completed', 'metrics:completed:data', 'metrics:failed', 'metrics:failed:data'}) do
    call('DEL', Q .. part)
  end
  for _, part in ipairs({'details', 'arrived', 'bounds', 'cancel', 'expiry', 'paused', 'sweep'}) do
    call('DEL', T .. part)
  end
end
return {count}
