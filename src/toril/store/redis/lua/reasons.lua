-- use: base
-- When and why jobs have failed.
-- ARGV: now; ids.
-- Returns {{id, when, name, reason}, …} of those that are failed still.
local found = {}
for i = 2, #ARGV do
  local id, at = ARGV[i], call('ZSCORE', Q .. 'failed', ARGV[i])
  local job = at and look('HMGET', Q .. id, 'name', 'failedReason')
  if job and job[1] then found[#found + 1] = {id, at, job[1], job[2] or ''} end
end
return found
