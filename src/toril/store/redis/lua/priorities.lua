-- use: base
-- How many ready jobs there are of each priority that occurs.
-- ARGV: now.
-- Returns {priority, number, …}.
local CLASS = 4294967296
local counts, from = {}, 0
local waiting = call('LLEN', Q .. 'wait')
if waiting > 0 then counts = {0, waiting} end
while true do
  local first = call('ZRANGEBYSCORE', Q .. 'prioritized', from, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  if not first[2] then return counts end
  local priority = math.floor(first[2] / CLASS)
  from = (priority + 1) * CLASS
  counts[#counts + 1] = priority
  counts[#counts + 1] = call('ZCOUNT', Q .. 'prioritized', priority * CLASS, from - 1)
end
