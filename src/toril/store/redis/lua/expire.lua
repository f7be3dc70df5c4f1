-- use: base, full, events, places, jobs, family, ending, reading
-- Fail jobs of which no attempt was made in time.
-- ARGV: now; ids that may have, with for each: reason, most kept (negative: all), age in ms (negative: for ever).
-- Returns {ids that have failed}.
-- Events: failed, retries-exhausted; of parents: waiting, delayed.
local LOOK_AGAIN = 5000 -- ms
local failed = {}
for at = 2, #ARGV, 4 do
  local id = ARGV[at]
  local key = Q .. id
  local job = look('HMGET', key, 'name', 'atm')
  local state = job[1] and state_of(Q, id)
  if state == 'active' or state == 'waiting-children' then
    call('ZADD', T .. 'expiry', now + LOOK_AGAIN, id)
  else
    call('ZREM', T .. 'expiry', id)
  end
  if (state == 'waiting' or state == 'prioritized' or state == 'delayed') and whole(job[2]) == 0 then
    fail_unrun(Q, id, state, ARGV[at + 1], tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]))
    failed[#failed + 1] = id
  end
end
if #failed > 0 then trim_events(Q) end
return failed
