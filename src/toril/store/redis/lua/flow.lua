-- use: base, events, places, jobs, family, bounds, wishes
-- Add trees of jobs, all or none; below a run that goes on, or that is left until its children have ended.
-- KEYS: the pair of prefixes of each queue; if there is a run, its queue's pair is the first.
-- ARGV: now; '1' if this repeats a call whose reply was lost; id, starts and token of the run, or '' each; '1' if it is
--   left; then for each node: number of its queue's pair, id, '1' if the caller chose it, name, data, opts, priority,
--   due, JSON {lifo, charge, expires, flag (what its failure means)}, number of its parent's node, or '' (the run, or
--   none).
-- Returns the ids ('' for a node below a job that is there). Or an error as {'', 'over'}, {'', 'cancelled'}, {'', 'wrong', why},
--   {'', 'full', …}, {'', 'spent', …} as in add.lua.
-- Events: added, waiting, delayed, waiting-children; of parents: waiting, delayed.
local NAMES_KEPT = 30 * 86400000 -- ms
local again, run, starts, token, leaves = ARGV[2] == '1', ARGV[3], ARGV[4], ARGV[5], ARGV[6] == '1'
if leaves then call('DEL', Q .. run .. ':none') end -- a run ends also when memory is full: see lib/full.lua
local top = run ~= '' and {q = Q, id = run} or nil

local nodes, ids = {}, {}
for at = 7, #ARGV, 10 do
  local pair = tonumber(ARGV[at]) * 2 - 1
  local node = {q = KEYS[pair], t = KEYS[pair + 1], id = ARGV[at + 1], chosen = ARGV[at + 2] == '1', name = ARGV[at + 3],
    data = ARGV[at + 4], opts = ARGV[at + 5], priority = tonumber(ARGV[at + 6]), due = tonumber(ARGV[at + 7])}
  local more = cjson.decode(ARGV[at + 8])
  node.lifo, node.charge, node.expires, node.flag = more.lifo, more.charge, more.expires, more.flag
  node.above = ARGV[at + 9] == '' and top or nodes[tonumber(ARGV[at + 9])]
  nodes[#nodes + 1] = node
end

-- Repeated: the ids, if the first try was carried out. Its own jobs show that, there or gone again.
local function done_before()
  local lately, done, found = {}, false, {}
  for number, node in ipairs(nodes) do
    lately[node.q] = lately[node.q] or added_lately(node.q)
    local ours = not node.chosen and (lately[node.q][node.id] or call('EXISTS', node.q .. node.id) == 1)
    done = done or ours
    found[number] = (ours or node.chosen) and node.id or ''
  end
  return done and found
end

local before = again and done_before()
if before then return before end

if run ~= '' then
  local lock, ats = call('GET', Q .. run .. ':lock'), call('HGET', Q .. run, 'ats')
  local valid = lock == token or (not lock and ats == starts)
  local active = false
  for _, id in ipairs(call('LRANGE', Q .. 'active', 0, -1)) do active = active or id == run end
  if not (valid and active) then
    if again and leaves and ats == starts then return {} end -- done by the first try
    return {'', 'over'}
  end
  if leaves and wished(all_wishes(T), run, ats) then return {'', 'cancelled'} end
end

-- Why a job that is there cannot become a child of `parent`; nil: it can.
local function unfit(node, parent)
  local key, pkey = node.q .. node.id, parent.q .. parent.id
  local q, id = parent_of(call('HGET', key, 'parent'))
  if q and q .. id ~= pkey and call('EXISTS', q .. id) == 1 then return ' is a child of another job already' end
  q, id = parent.q, parent.id
  while q do
    if q .. id == key then return ' cannot wait for itself' end
    q, id = parent_of(call('HGET', q .. id, 'parent'))
  end
  return nil
end

local named = {}
for number, node in ipairs(nodes) do
  local key = node.q .. node.id
  node.key = key
  local above = node.above
  if above and (above.skipped or above.found) then
    node.skipped = true
  elseif named[key] then
    local twin = named[key]
    if twin.above ~= above then return {'', 'wrong', node.q, node.id, ' is a child of another job already'} end
    node.skipped = true
  else
    named[key] = node
    node.found = (node.chosen or again) and call('EXISTS', key) == 1
    if node.found and above then
      local why = unfit(node, above)
      if why then return {'', 'wrong', node.q, node.id, why} end
    end
    if above then above.children = (above.children or 0) + 1 end
  end
  ids[number] = (node.skipped and not node.chosen) and '' or node.id
end

local adds = {}
for _, node in ipairs(nodes) do
  node.waits = node.children ~= nil
  if not node.skipped and not node.found then adds[#adds + 1] = node end
end
local problem = exceeded(adds)
if problem then return {'', unpack(problem)} end

local rung, touched = {}, {}
for _, node in ipairs(nodes) do
  local above = node.above
  if not node.skipped then
    local family = above and above.q .. above.id
    if above then
      local parent = {id = above.id, queueKey = above.q:sub(1, -2)}
      if node.flag then parent[node.flag] = true end
      node.parent, node.parentKey = cjson.encode(parent), family
    end
    if above then -- a parent's results are asked for by task, also when the child is gone
      local names = private(above.q) .. 'names:' .. above.id
      call('HSET', names, node.key, node.found and call('HGET', node.key, 'name') or node.name)
      call('PEXPIRE', names, NAMES_KEPT)
    end
    if not node.found then
      T = node.t
      call('INCR', node.q .. 'id')
      if write_job(node.q, node, node.waits) then rung[node.q] = true end
      if above then call('SADD', family .. ':dependencies', node.key) end
    elseif above then
      call('HSET', node.key, 'parent', node.parent, 'parentKey', node.parentKey)
      local result = call('ZSCORE', node.q .. 'completed', node.id) and call('HGET', node.key, 'returnvalue')
      if result then
        call('HSET', family .. ':processed', node.key, result)
        touched[family] = above
      else
        call('SADD', family .. ':dependencies', node.key)
      end
    end
  end
end
for _, node in ipairs(nodes) do rung[node.q] = rung[node.q] or false end
for q, ready in pairs(rung) do
  trim_events(q)
  if ready then ring(q) end
end
for _, above in pairs(touched) do release(above.q, above.id) end -- all its children may have been there, completed

if leaves then
  T = KEYS[2]
  local key = Q .. run
  call('LREM', Q .. 'active', -1, run)
  call('DEL', key .. ':lock')
  call('SREM', Q .. 'stalled', run)
  local job = call('HMGET', key, 'priority', 'defa')
  if call('SCARD', key .. ':dependencies') > 0 and not job[2] then
    call('ZADD', Q .. 'waiting-children', now, run)
    tell(Q, 'waiting-children', 'jobId', run, 'prev', 'active')
  else -- it waits for none, or a child has failed it: taken again it fails
    place_first(Q, run, whole(job[1]))
    tell(Q, 'waiting', 'jobId', run, 'prev', 'active')
  end
  if call('EXISTS', Q .. 'wait', Q .. 'prioritized') > 0 then ring(Q) end -- it may have made room for them
end
return ids
