-- use: base
-- What is being run of a queue, up to 1,000 jobs.
-- ARGV: now.
-- Returns {id, name, worker, since} each.
local found = {}
for _, id in ipairs(call('LRANGE', Q .. 'active', 0, 999)) do
  local job = look('HMGET', Q .. id, 'name', 'pb', 'processedOn')
  if job[1] then found[#found + 1] = {id, job[1], job[2] or '', job[3] or ''} end
end
return found
