-- use: base
-- How many ready jobs there are of each priority that occurs, some hundred priorities at a time.
-- ARGV: now; the priority from which to go on (0 at first).
-- Returns {{priority, number, …}; the priority from which to go on, or '' at the end}.
local MOST = 500
local CLASS = 4294967296
local counts, from = {}, tonumber(ARGV[2])
local waiting = call('LLEN', Q .. 'wait')
if from == 0 and waiting > 0 then counts = {0, waiting} end
while #counts < 2 * MOST do
  local first = call('ZRANGEBYSCORE', Q .. 'prioritized', from * CLASS, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return {counts, ''} end
  local priority = math.floor(first[2] / CLASS)
  from = priority + 1
  counts[#counts + 1] = priority
  counts[#counts + 1] = call('ZCOUNT', Q .. 'prioritized', priority * CLASS, from * CLASS - 1)
end
return {counts, from}
