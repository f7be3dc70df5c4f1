-- use: base, events, jobs, family
-- Jobs go before they have ended, or after.
local SETS = {'completed', 'waiting-children', 'delayed', 'failed', 'prioritized'}
local FEW = 4 -- ids for which a list is not walked: looking for one is a sixth of that
local GONE = '' -- stands in a list for what is taken out of it

-- Take ids out of a list; return which of them were in it. Each would cost a way along the list: many go in one walk.
local function leave_list(list, ids)
  local wanted, found, left = {}, {}, #ids
  if #ids <= FEW then
    for _, id in ipairs(ids) do found[id] = call('LREM', list, 0, id) > 0 end
    return found
  end
  for _, id in ipairs(ids) do wanted[id] = true end
  for first = 0, call('LLEN', list) - 1, 1000 do
    if left == 0 then break end
    for i, id in ipairs(call('LRANGE', list, first, first + 999)) do
      if wanted[id] then
        call('LSET', list, first + i - 1, GONE)
        left = left - (found[id] and 0 or 1)
        found[id] = true
      end
    end
  end
  if next(found) then call('LREM', list, 0, GONE) end
  return found
end

-- Take jobs of a queue out of the places where they stand; return their states by their ids.
local function leave_places(q, ids)
  local states = {}
  for _, id in ipairs(ids) do
    for _, state in ipairs(SETS) do
      if call('ZREM', q .. state, id) == 1 then
        states[id] = state
        break
      end
    end
  end
  for state, list in pairs({waiting = 'wait', active = 'active'}) do
    local left = {}
    for _, id in ipairs(ids) do
      if not states[id] then left[#left + 1] = id end
    end
    for id, was in pairs(leave_list(q .. list, left)) do states[id] = was and state or nil end
  end
  return states
end

-- Remove what belongs to jobs of a queue that stand nowhere any more; nobody waits for them.
local function forget(q, ids)
  if #ids == 0 then return end
  for _, id in ipairs(ids) do
    local job = look('HMGET', q .. id, 'deid', 'parent')
    if job[1] and call('GET', q .. 'de:' .. job[1]) == id then call('DEL', q .. 'de:' .. job[1], q .. 'dn:' .. job[1]) end
    if job[2] then child_gone(job[2], q .. id) end
  end
  in_parts('ZREM', private(q) .. 'expiry', ids)
  in_parts('SREM', q .. 'stalled', ids)
  delete_jobs(q, ids)
end

-- Whether a schedule waits for this job: it is the one of its next tick.
local function is_next_tick(q, id)
  local job = look('HMGET', q .. id, 'rjk', 'ats')
  if not job[1] or job[2] then return false end
  local score = call('ZSCORE', q .. 'repeat', job[1])
  local tick = score and string.format('%.0f', score)
  -- the last one of a schedule that has ended stays its tick, as on BullMQ: nothing waits for it any more
  return tick and id == 'repeat:' .. job[1] .. ':' .. tick
    and call('HGET', private(q) .. 'schedule:' .. job[1], 'last') ~= tick
end

-- Split the full key of a child.
local function place_of(child)
  return child:match('^(.*:)([^:]*)$')
end

-- Remove jobs, given as {queue prefix, id}, parents first; tell of children first. All leave their places before any
-- is forgotten, so that none is made ready by the end of its children.
local function remove_all(tree)
  local ids, states = {}, {}
  for _, job in ipairs(tree) do
    local q, id = unpack(job)
    ids[q] = ids[q] or {}
    table.insert(ids[q], id)
  end
  for q, here in pairs(ids) do states[q] = leave_places(q, here) end
  for q, here in pairs(ids) do forget(q, here) end
  for i = #tree, 1, -1 do
    local q, id = unpack(tree[i])
    local was = states[q][id] or 'unknown'
    tell(q, 'removed', 'jobId', id, 'prev', was == 'waiting' and 'wait' or was)
  end
end

-- The children of a job: those that it waits for, and with `all` those that have ended.
local function children_of(key, all)
  if call('EXISTS', key .. ':dependencies', key .. ':processed', key .. ':failed', key .. ':unsuccessful') == 0 then
    return {} -- as nearly always
  end
  local found = call('SMEMBERS', key .. ':dependencies')
  if not all then
    table.sort(found)
    return found
  end
  for _, part in ipairs({'processed', 'failed'}) do
    for _, child in ipairs(call('HKEYS', key .. ':' .. part)) do found[#found + 1] = child end
  end
  for _, child in ipairs(call('ZRANGE', key .. ':unsuccessful', 0, -1)) do found[#found + 1] = child end
  table.sort(found) -- ids of Toril sort by time
  return found
end
