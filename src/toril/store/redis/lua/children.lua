-- use: base, reading
-- The children of a job.
-- ARGV: now; id.
-- Returns {key, how it counts for the parent (completed, failed or ''), result or reason, name, state or '', number of
--   its own children, when it was added} each.
local key = Q .. ARGV[2]
local found = {}

local function add(child, ended, value)
  local q, id = child:match('^(.*:)([^:]*)$')
  local job = look('HMGET', child, 'name', 'timestamp', 'failedReason')
  local state = job[1] and state_of(q, id) or ''
  local own = call('SCARD', child .. ':dependencies') + call('HLEN', child .. ':processed')
    + call('HLEN', child .. ':failed') + call('ZCARD', child .. ':unsuccessful')
  found[#found + 1] = {child, ended, value or job[3] or '', job[1] or call('HGET', T .. 'names:' .. ARGV[2], child) or '', state, own, job[2] or '0'}
end

for _, child in ipairs(call('SMEMBERS', key .. ':dependencies')) do add(child, '', '') end
for part, ended in pairs({processed = 'completed', failed = 'failed'}) do
  local flat = call('HGETALL', key .. ':' .. part)
  for i = 1, #flat, 2 do add(flat[i], ended, flat[i + 1]) end
end
for _, child in ipairs(call('ZRANGE', key .. ':unsuccessful', 0, -1)) do add(child, 'failed', nil) end
return found
