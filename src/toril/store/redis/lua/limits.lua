-- use: base, places
-- Limit what all workers together run of a queue.
-- ARGV: now; concurrency or ''; max or ''; duration in ms or ''.
for at, field in ipairs({'concurrency', 'max', 'duration'}) do
  if ARGV[at + 1] == '' then
    call('HDEL', Q .. 'meta', field)
  else
    call('HSET', Q .. 'meta', field, ARGV[at + 1])
  end
end
ring(Q)
