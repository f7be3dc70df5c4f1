-- use: base
-- What ended in each minute, as BullMQ keeps it.
-- ARGV: now.
-- Returns for completed and failed {count, time of the last, count before its minute, points, newest first}; then
--   {minute:arrived, …}, and unfinished jobs.
local found = {}
for number, state in ipairs({'completed', 'failed'}) do
  local key = Q .. 'metrics:' .. state
  local meta = call('HMGET', key, 'count', 'prevTS', 'prevCount')
  found[number] = {meta[1] or '0', meta[2] or '', meta[3] or '0', call('LRANGE', key .. ':data', 0, -1)}
end
found[3] = call('ZRANGE', T .. 'arrived', 0, -1)
found[4] = call('LLEN', Q .. 'wait') + call('ZCARD', Q .. 'prioritized') + call('ZCARD', Q .. 'delayed')
  + call('ZCARD', Q .. 'waiting-children') + call('LLEN', Q .. 'active')
return found
