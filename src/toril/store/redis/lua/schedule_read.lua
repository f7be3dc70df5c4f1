-- use: base, reading
-- A schedule, and how far it is.
-- ARGV: now; id.
-- Returns nothing if there is none; else {definition (fields and values), tick or '', state of its job if nobody has
--   taken that or '', opts of that job or '', fields and values of our own (last, ticks, declared)}.
local id = ARGV[2]
local definition = look('HGETALL', Q .. 'repeat:' .. id)
local tick = call('ZSCORE', Q .. 'repeat', id)
if #definition == 0 or not tick then return nil end
local job = 'repeat:' .. id .. ':' .. string.format('%.0f', tick)
local state, opts = '', look('HGET', Q .. job, 'opts') or ''
if opts ~= '' and call('HEXISTS', Q .. job, 'ats') == 0 then
  state = state_of(Q, job)
  if state == 'completed' or state == 'failed' then state = '' end
end
return {definition, string.format('%.0f', tick), state, opts, call('HGETALL', T .. 'schedule:' .. id)}
