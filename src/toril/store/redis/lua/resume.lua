-- use: base, events, places
-- Open a queue. Jobs that an old version of BullMQ keeps in `paused` stand in front, in their order.
-- ARGV: now.
-- Events: resumed.
call('HDEL', Q .. 'meta', 'paused')
call('DEL', T .. 'paused')
local old = call('LRANGE', Q .. 'paused', 0, -1)
in_parts('RPUSH', Q .. 'wait', old)
call('DEL', Q .. 'paused')
if call('LLEN', Q .. 'wait') + call('ZCARD', Q .. 'prioritized') > 0 then ring(Q) else ring_later(Q) end
tell(Q, 'resumed')
trim_events(Q)
