-- use: base, events, places
-- Make delayed jobs ready.
-- ARGV: now; '1' for up to 1,000, the next ones due first, or '' for the ids that follow.
-- Returns {ids that are ready}.
-- Events: waiting.
local ids, done = {}, {}
if ARGV[2] == '1' then
  ids = call('ZRANGE', Q .. 'delayed', 0, 999)
else
  for at = 3, #ARGV do ids[#ids + 1] = ARGV[at] end
end
for _, id in ipairs(ids) do
  if call('ZREM', Q .. 'delayed', id) == 1 then done[#done + 1] = id end
end
promote(Q, done)
return done
