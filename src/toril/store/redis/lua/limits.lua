-- use: base, places
-- Limit what all workers together run of a queue.
-- ARGV: now; concurrency or ''; max or ''; duration in ms or ''.
local BY_HAND = '9007199254740991'
for at, field in ipairs({'concurrency', 'max', 'duration'}) do
  if ARGV[at + 1] == '' then
    call('HDEL', Q .. 'meta', field)
  else
    call('HSET', Q .. 'meta', field, ARGV[at + 1])
  end
end
if ARGV[3] == '' and call('GET', Q .. 'limiter') == BY_HAND then -- a task has closed the queue for a time
  call('HSET', Q .. 'meta', 'max', BY_HAND, 'duration', 1000)
end
ring(Q)
