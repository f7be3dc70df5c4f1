-- use: base
-- What ended in each minute, as BullMQ keeps it.
-- ARGV: now; the first minute (since the epoch) that is asked for.
-- Returns for completed and failed {count, time of the last, count before its minute, points, newest first}; then
--   {minute:arrived, …}, and unfinished jobs.
local first = tonumber(ARGV[2])
local found = {}
for number, state in ipairs({'completed', 'failed'}) do
  local key = Q .. 'metrics:' .. state
  local meta = call('HMGET', key, 'count', 'prevTS', 'prevCount')
  local points = math.floor((tonumber(meta[2]) or 0) / 60000) - first -- minutes before that of the last
  local data = points > 0 and call('LRANGE', key .. ':data', 0, points - 1) or {}
  found[number] = {meta[1] or '0', meta[2] or '', meta[3] or '0', data}
end
found[3] = call('ZRANGEBYSCORE', T .. 'arrived', first, '+inf')
found[4] = call('LLEN', Q .. 'wait') + call('ZCARD', Q .. 'prioritized') + call('ZCARD', Q .. 'delayed')
  + call('ZCARD', Q .. 'waiting-children') + call('LLEN', Q .. 'active')
return found
