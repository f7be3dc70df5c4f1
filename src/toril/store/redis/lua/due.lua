-- use: base
-- Jobs that should have started by now.
-- ARGV: now.
-- Returns {id, when, opts, scheduled or ''} of up to 256.
local found = {}
local ids = call('ZRANGEBYSCORE', T .. 'expiry', '-inf', now, 'WITHSCORES', 'LIMIT', 0, 256)
for i = 1, #ids, 2 do
  local job = look('HMGET', Q .. ids[i], 'opts', 'rjk')
  found[#found + 1] = {ids[i], ids[i + 1], job[1] or '', job[2] or ''}
end
return found
