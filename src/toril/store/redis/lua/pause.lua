-- use: base, full, events
-- Close a queue.
-- ARGV: now; by; why.
-- Events: paused.
call('HSET', Q .. 'meta', 'paused', 1)
call('HSET', T .. 'paused', 'by', ARGV[2], 'why', ARGV[3], 'at', now)
call('DEL', Q .. 'marker')
tell(Q, 'paused')
trim_events(Q)
