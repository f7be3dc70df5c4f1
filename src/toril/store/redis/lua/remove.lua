-- use: base, events, jobs, family, removing
-- Remove jobs; one that is being run stays, and so does the next one of a schedule.
-- ARGV: now; ids.
-- Returns {ids that were removed}.
-- Events: removed; of parents: waiting.
local removed = {}
for at = 2, #ARGV do
  local id = ARGV[at]
  if call('EXISTS', Q .. id) == 1 and call('EXISTS', Q .. id .. ':lock') == 0 and not is_next_tick(Q, id) then
    local was = leave_place(Q, id)
    forget(Q, T, id)
    tell(Q, 'removed', 'jobId', id, 'prev', was == 'waiting' and 'wait' or was or 'unknown')
    removed[#removed + 1] = id
  end
end
if #removed > 0 then trim_events(Q) end
return removed
