-- use: base
-- What else than BullMQ 6 drives a queue, told by what only that writes.
-- ARGV: now.
-- Returns {the version that the newest Node Queue left in `meta` or '', the key that only Bull 3 and 4 have or '',
--   the key that only BullMQ 5 has or ''}.
local version = call('HGET', Q .. 'meta', 'version')
local function first_of(parts)
  for _, part in ipairs(parts) do
    if call('EXISTS', Q .. part) == 1 then return Q .. part end
  end
  return ''
end
if version then return {version, '', ''} end

local bull = first_of({'meta-paused', 'priority', 'delay'})
-- every add of BullMQ's, and every one of ours, writes `meta`
if bull == '' and call('EXISTS', Q .. 'meta', Q .. 'events') == 0 then bull = first_of({'id', 'wait', 'delayed'}) end
local five = first_of({'paused'})
for _, id in ipairs(call('ZRANGE', Q .. 'repeat', 0, 9)) do
  local tick = string.format('%.0f', call('ZSCORE', Q .. 'repeat', id))
  local job = Q .. 'repeat:' .. id .. ':' .. tick
  if call('HEXISTS', job, 'nrjid') == 1 then five = job end
end
return {'', bull, five}
