-- use: base, events, jobs, family
-- Jobs go before they have ended, or after.

-- Take a job out of the place where it stands; return that state, or nil.
local function leave_place(q, id)
  for _, state in ipairs({'completed', 'waiting-children', 'delayed', 'failed', 'prioritized'}) do
    if call('ZREM', q .. state, id) == 1 then return state end
  end
  for state, list in pairs({waiting = 'wait', active = 'active'}) do
    if call('LREM', q .. list, 0, id) > 0 then return state end
  end
  return nil
end

-- Remove what belongs to a job that stands nowhere any more; nobody waits for it.
local function forget(q, t, id)
  local key = q .. id
  local job = look('HMGET', key, 'deid', 'parent')
  if job[1] and call('GET', q .. 'de:' .. job[1]) == id then call('DEL', q .. 'de:' .. job[1], q .. 'dn:' .. job[1]) end
  if job[2] then child_gone(job[2], key) end
  call('ZREM', t .. 'expiry', id)
  call('SREM', q .. 'stalled', id)
  delete_jobs(q, {id})
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
  for _, job in ipairs(tree) do job[3] = leave_place(job[1], job[2]) or 'unknown' end
  for i = #tree, 1, -1 do
    local q, id, was = unpack(tree[i])
    forget(q, private(q), id)
    tell(q, 'removed', 'jobId', id, 'prev', was == 'waiting' and 'wait' or was)
  end
end

-- The children of a job: those that it waits for, and with `all` those that have ended.
local function children_of(key, all)
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
