-- use: base
-- Let what a worker still holds of a queue be rescued at once.
-- ARGV: now; its lane: what stands before the step in the tokens of its runs.
local mark = ARGV[2] .. '.'
for _, id in ipairs(call('LRANGE', Q .. 'active', 0, -1)) do
  local lock = call('GET', Q .. id .. ':lock')
  if lock and lock:sub(1, #mark) == mark then call('DEL', Q .. id .. ':lock') end
end
call('DEL', T .. 'step:' .. ARGV[2])
