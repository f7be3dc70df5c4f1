-- use: base, events
-- Where jobs stand: the front of `wait` is its tail; a prioritized score is priority * 2^32 and a counter; a delayed one
-- is the due time * 4096 and a number within that millisecond.
local CLASS, SLOTS = 4294967296, 4096

local function blocked(q)
  local meta = call('HMGET', q .. 'meta', 'paused', 'concurrency')
  return meta[1] or (meta[2] and call('LLEN', q .. 'active') >= tonumber(meta[2]))
end

-- Wake a worker up, if it may take anything.
local function ring(q)
  if not blocked(q) then call('ZADD', q .. 'marker', 0, '0') end
end

-- Tell workers when the next delayed job is due.
local function ring_later(q)
  local first = call('ZRANGE', q .. 'delayed', 0, 0, 'WITHSCORES')
  if first[2] then call('ZADD', q .. 'marker', first[2] / SLOTS, '1') end
end

local function place_prioritized(q, id, priority)
  call('ZADD', q .. 'prioritized', priority * CLASS + call('INCR', q .. 'pc') % CLASS, id)
end

-- Before those of its priority.
local function place_first(q, id, priority)
  if priority > 0 then
    call('ZADD', q .. 'prioritized', priority * CLASS, id)
  else
    call('RPUSH', q .. 'wait', id)
  end
end

-- Behind those of its priority, or (lifo) before them.
local function place_ready(q, id, priority, lifo)
  if lifo then
    place_first(q, id, priority)
  elseif priority > 0 then
    place_prioritized(q, id, priority)
  else
    call('LPUSH', q .. 'wait', id)
  end
end

local function place_delayed(q, id, due)
  local first, last = due * SLOTS, due * SLOTS + SLOTS - 1
  local taken = call('ZREVRANGEBYSCORE', q .. 'delayed', last, first, 'WITHSCORES', 'LIMIT', 0, 1)
  call('ZADD', q .. 'delayed', taken[2] and math.min(taken[2] + 1, last) or first, id)
end

-- Make delayed jobs ready, given in their order; `due`: to be removed up to that score, nil: one by one.
local function promote(q, ids)
  for _, id in ipairs(ids) do
    local job = look('HMGET', q .. id, 'priority', 'name')
    if job[2] then
      place_ready(q, id, tonumber(job[1]) or 0)
      call('HSET', q .. id, 'delay', 0)
      tell(q, 'waiting', 'jobId', id, 'prev', 'delayed')
    end
  end
  if #ids > 0 then ring(q) end
end

-- Delayed jobs whose time has come.
local function promote_due(q)
  local ids = call('ZRANGEBYSCORE', q .. 'delayed', 0, (now + 1) * SLOTS - 1, 'LIMIT', 0, 1000)
  if #ids == 0 then return end
  call('ZREMRANGEBYRANK', q .. 'delayed', 0, #ids - 1)
  promote(q, ids)
end
