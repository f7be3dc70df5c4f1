-- use: base
-- The schedules of a queue.
-- ARGV: now.
-- Returns their ids.
return call('ZRANGE', Q .. 'repeat', 0, -1)
