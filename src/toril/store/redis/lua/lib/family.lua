-- use: base, places, jobs
-- What the end of a child means for its parent. Children and parents are named by the full key of their hash.

-- Let a parent go on. Without `early` only if it waits for no child any more.
local function release(q, id, early)
  local key = q .. id
  if not early and call('SCARD', key .. ':dependencies') > 0 then return end
  if call('EXISTS', key) == 0 or call('ZREM', q .. 'waiting-children', id) == 0 then return end
  local job = call('HMGET', key, 'delay', 'priority')
  local delay, priority = whole(job[1]), whole(job[2])
  if delay > 0 then
    call('ZADD', q .. 'delayed', (now + delay) * SLOTS, id)
    tell(q, 'delayed', 'jobId', id, 'delay', now + delay)
    ring_later(q)
    return
  end
  if priority > 0 then place_prioritized(q, id, priority) else call('RPUSH', q .. 'wait', id) end
  tell(q, 'waiting', 'jobId', id, 'prev', 'waiting-children')
  ring(q)
end

-- The parent of a child as (queue prefix, id, its `parent` field decoded), or nil.
local function parent_of(parent)
  local body = decoded(parent)
  if not body or not body.id or not body.queueKey then return nil end
  return body.queueKey .. ':', tostring(body.id), body
end

local function child_completed(parent, child, result)
  local q, id = parent_of(parent)
  if not q or call('SREM', q .. id .. ':dependencies', child) == 0 then return end
  call('HSET', q .. id .. ':processed', child, result)
  release(q, id)
end

-- The parent fails as soon as it is taken, as on BullMQ.
local function fail_parent(q, id, child)
  local key = q .. id
  call('ZADD', key .. ':unsuccessful', now, child)
  if call('EXISTS', key) == 0 or call('ZSCORE', q .. 'failed', id) or call('ZSCORE', q .. 'completed', id) then return end
  call('HSET', key, 'defa', 'child ' .. child .. ' failed')
  if call('ZREM', q .. 'delayed', id) == 1 then
    call('HSET', key, 'delay', 0)
    place_first(q, id, whole(call('HGET', key, 'priority')))
    tell(q, 'waiting', 'jobId', id, 'prev', 'waiting-children')
    ring(q)
  else
    release(q, id, true)
  end
end

local function child_failed(parent, child, reason)
  local q, id, policy = parent_of(parent)
  if not q then return end
  local key = q .. id
  local policed = policy.fpof or policy.cpof or policy.idof or policy.rdof
  if not policed or call('SREM', key .. ':dependencies', child) == 0 then return end
  if policy.fpof then
    fail_parent(q, id, child)
  elseif policy.cpof then
    call('HSET', key .. ':failed', child, reason)
    release(q, id, true)
  else
    if policy.idof then call('HSET', key .. ':failed', child, reason) end
    release(q, id)
  end
end

-- A child is gone before it has ended (or has failed and nobody can retry it any more): nobody waits for it.
local function child_gone(parent, child)
  local q, id = parent_of(parent)
  if not q or call('SREM', q .. id .. ':dependencies', child) == 0 then return end
  if call('SCARD', q .. id .. ':dependencies') > 0 or call('ZREM', q .. 'waiting-children', id) == 0 then return end
  call('RPUSH', q .. 'wait', id)
  tell(q, 'waiting', 'jobId', id, 'prev', 'waiting-children')
  ring(q)
end

-- Why a job that returned cannot be completed: a child that failed it, or one that it waits for; nil: it can.
local function obstacle(key)
  if call('EXISTS', key .. ':dependencies', key .. ':unsuccessful') == 0 then return nil end
  local failed = call('ZRANGE', key .. ':unsuccessful', 0, 0)[1]
  if failed then return 'child ' .. failed .. ' failed' end
  return 'it returned while its child ' .. call('SRANDMEMBER', key .. ':dependencies') .. ' was pending'
end
