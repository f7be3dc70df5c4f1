-- use: base
-- How a queue stands.
-- ARGV: now.
-- Returns {counts of waiting, prioritized, delayed, waiting-children, active, completed, failed; paused or '';
--   by, why, at of the pause; concurrency or ''; max or ''; duration or ''; greatest length or ''; started in the
--   rate's window; ms until that ends}.
local meta = call('HMGET', Q .. 'meta', 'paused', 'concurrency', 'max', 'duration')
local pause = call('HMGET', T .. 'paused', 'by', 'why', 'at')
return {
  call('LLEN', Q .. 'wait'), call('ZCARD', Q .. 'prioritized'), call('ZCARD', Q .. 'delayed'),
  call('ZCARD', Q .. 'waiting-children'), call('LLEN', Q .. 'active'), call('ZCARD', Q .. 'completed'),
  call('ZCARD', Q .. 'failed'), meta[1] or '', pause[1] or '', pause[2] or '', pause[3] or '', meta[2] or '',
  meta[3] or '', meta[4] or '', call('HGET', T .. 'bounds', 'length') or '', call('GET', Q .. 'limiter') or '0',
  call('PTTL', Q .. 'limiter'),
}
