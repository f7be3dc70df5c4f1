-- use: base, full, events, places, jobs, family, ending, reading
-- Cancel a job: at once if it does not run; else leave word for its worker.
-- ARGV: now; id; who asks; how long it is kept then: most (negative: all), age in ms (negative: for ever).
-- Returns the state that it was in, or nothing; and who runs it.
-- Events: failed, retries-exhausted; of parents: waiting, delayed.
local id, by = ARGV[2], ARGV[3]
local key = Q .. id
if call('EXISTS', key) == 0 then return nil end
local state = state_of(Q, id)
if state == 'active' then
  local run = call('HMGET', key, 'ats', 'pb')
  local worker = run[2] or ''
  if worker:sub(1, 6) == 'toril:' then
    call('HSET', T .. 'cancel', id, (run[1] or '0') .. ':' .. by)
    call('PEXPIRE', T .. 'cancel', 86400000)
  end
  return {state, worker}
end
if state ~= 'completed' and state ~= 'failed' then
  fail_unrun(Q, id, state, 'Cancelled: by ' .. by, tonumber(ARGV[4]), tonumber(ARGV[5]))
  call('ZREM', T .. 'expiry', id)
  trim_events(Q)
end
return {state, ''}
