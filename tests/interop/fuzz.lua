-- What is wrong with a queue, atomically: it may be asked while workers run.
-- ARGV: prefix; queue.
-- Returns {a line for each job that stands in no place or in several, place without a job, lock or part without its job,
--   deduplication key of a job that is gone, parent that waits for nobody, wish to cancel that nobody will hear of}.
local problems, Q = {}, ARGV[1] .. ':' .. ARGV[2] .. ':'
local function say(...) problems[#problems + 1] = table.concat({...}, ' ') end
local places = {}
local function at(id, place) places[id] = places[id] or {}; table.insert(places[id], place) end
for _, list in ipairs({'wait', 'active', 'paused'}) do
  for _, id in ipairs(redis.call('LRANGE', Q .. list, 0, -1)) do at(id, list) end
end
for _, set in ipairs({'prioritized', 'delayed', 'waiting-children', 'completed', 'failed'}) do
  for _, id in ipairs(redis.call('ZRANGE', Q .. set, 0, -1)) do at(id, set) end
end
for id, found in pairs(places) do
  if #found > 1 then say(id, 'stands in', table.concat(found, ', ')) end
  if redis.call('HEXISTS', Q .. id, 'name') == 0 then say(id, 'stands in', found[1], 'and is not there') end
end
local parts = {logs = 1, dependencies = 1, processed = 1, failed = 1, unsuccessful = 1, lock = 1}
for _, key in ipairs(redis.call('KEYS', Q .. '*')) do
  local rest = key:sub(#Q + 1)
  local owner, part = rest:match('^(.*):([a-z]+)$')
  if owner and parts[part] and owner ~= 'metrics' then
    if redis.call('HEXISTS', Q .. owner, 'name') == 0 then say(key, 'is left over') end
    if part == 'lock' and (places[owner] or {})[1] ~= 'active' then say(owner, 'is locked and', (places[owner] or {})[1] or 'nowhere') end
  elseif rest:match('^de:') then
    local holder = redis.call('GET', key)
    if redis.call('PTTL', key) == -1 and redis.call('EXISTS', Q .. holder) == 0 then say(key, 'is held by', holder, 'who is gone') end
  elseif redis.call('TYPE', key).ok == 'hash' and redis.call('HEXISTS', key, 'timestamp') == 1 then
    if not places[rest] then say(rest, 'stands nowhere, ats', redis.call('HGET', key, 'ats') or '-', redis.call('HGET', key, 'name') or '-') end
  end
end
for _, id in ipairs(redis.call('ZRANGE', Q .. 'waiting-children', 0, -1)) do
  if redis.call('SCARD', Q .. id .. ':dependencies') == 0 then say(id, 'waits for no child') end
  for _, child in ipairs(redis.call('SMEMBERS', Q .. id .. ':dependencies')) do
    if redis.call('EXISTS', child) == 0 then say(id, 'waits for', child, 'which is gone') end
    local q, c = child:match('^(.*:)([^:]*)$')
    if redis.call('ZSCORE', q .. 'completed', c) then say(id, 'waits for', child, 'which has completed') end
  end
end
local T = ARGV[1] .. '::toril:' .. ARGV[2] .. ':'
for _, id in ipairs(redis.call('HKEYS', T .. 'cancel')) do
  if (places[id] or {})[1] ~= 'active' then say(id, 'is to be cancelled and', (places[id] or {})[1] or 'gone') end
end
return problems
