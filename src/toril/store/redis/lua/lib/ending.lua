-- use: base, events, places, jobs, family
-- Jobs end: what is written, who is told, who follows, what is no longer kept.

-- The job that was kept for the end of another: see BullMQ's keepLastIfActive.
local function add_kept(q, deid)
  local kept = q .. 'dn:' .. deid
  local next = call('HMGET', kept, 'name', 'data', 'opts', 'jid')
  if not next[1] then return end
  call('DEL', kept)
  call('INCR', q .. 'id')
  local opts = decoded(next[3]) or {}
  local ttl = opts.de and not opts.de.keepLastIfActive and tonumber(opts.de.ttl)
  call('SET', q .. 'de:' .. deid, next[4])
  if ttl and ttl > 0 then call('PEXPIRE', q .. 'de:' .. deid, ttl) end
  if call('EXISTS', q .. next[4]) == 1 then
    tell(q, 'duplicated', 'jobId', next[4])
    return
  end
  local delay = whole(opts.delay)
  local own = own_options(next[3])
  local job = {id = next[4], name = next[1], data = next[2], opts = next[3], priority = whole(opts.priority),
    due = delay > 0 and now + delay or 0, lifo = opts.lifo, deid = deid,
    expires = own.expiresAt or (own.expires and now + own.expires)}
  if write_job(q, job) then ring(q) end
end

-- A job that has ended lets go of its key, unless that has a time of its own.
local function free_key(q, id, deid)
  local key = q .. 'de:' .. deid
  if call('PTTL', key) == -1 and call('GET', key) == id then call('DEL', key) end
  add_kept(q, deid)
end

-- Jobs of a state beyond what is to be kept are gone. `most`, `age` (ms): negative means without bound.
local function retain(q, state, most, age)
  local set = q .. state
  local function drop(ids)
    if #ids == 0 then return end
    if state == 'failed' then -- a failed child without a policy may still be waited for
      for _, id in ipairs(ids) do
        local parent = look('HGET', q .. id, 'parent')
        if parent then child_gone(parent, q .. id) end
      end
    end
    delete_jobs(q, ids)
    call('ZREMRANGEBYRANK', set, 0, #ids - 1) -- they are its first ones
  end
  if age >= 0 then drop(call('ZRANGEBYSCORE', set, '-inf', now - age, 'LIMIT', 0, 1000)) end
  if most > 0 then
    local surplus = call('ZCARD', set) - most
    if surplus > 0 then drop(call('ZRANGE', set, 0, math.min(surplus, 1000) - 1)) end
  end
end

-- BullMQ's metrics: a list of what ended in each minute, newest first, a minute behind the count.
local MINUTE, WEEK = 60000, 10080
local function count_ended(q, state, number)
  if number == 0 then return end
  local key = q .. 'metrics:' .. state
  local total = call('HINCRBY', key, 'count', number) - number
  local last = call('HMGET', key, 'prevTS', 'prevCount')
  if not last[1] then
    call('HSET', key, 'prevTS', now, 'prevCount', 0)
  else
    local minutes = math.min(math.floor(now / MINUTE) - math.floor(last[1] / MINUTE), WEEK)
    if minutes > 0 then
      local points = {total - (tonumber(last[2]) or 0)}
      for i = 2, minutes do points[i] = 0 end
      in_parts('LPUSH', key .. ':data', points)
      call('LTRIM', key .. ':data', 0, WEEK - 1)
      call('HSET', key, 'prevTS', now, 'prevCount', total)
    end
  end
end

-- How many had ever arrived early in this minute: what had ended and what had not.
local function count_arrived(q, t)
  local minute = math.floor(now / MINUTE)
  if call('ZCOUNT', t .. 'arrived', minute, minute) > 0 then return end
  local arrived = call('LLEN', q .. 'wait') + call('ZCARD', q .. 'prioritized') + call('ZCARD', q .. 'delayed')
    + call('ZCARD', q .. 'waiting-children') + call('LLEN', q .. 'active')
  for _, state in ipairs({'completed', 'failed'}) do
    arrived = arrived + (tonumber(call('HGET', q .. 'metrics:' .. state, 'count')) or 0)
  end
  call('ZADD', t .. 'arrived', minute, minute .. ':' .. arrived)
  call('ZREMRANGEBYSCORE', t .. 'arrived', '-inf', minute - WEEK)
end

-- What a job itself says of how long it is kept when it has failed.
local function own_keep(opts)
  local keep = (decoded(opts) or {}).removeOnFail
  if keep == true or keep == 0 then return {'failed', 0, -1} end
  if type(keep) == 'number' then return {'failed', keep > 0 and keep or -1, -1} end
  if type(keep) ~= 'table' then return {'failed', -1, -1} end
  return {'failed', tonumber(keep.count) or -1, tonumber(keep.age) and keep.age * 1000 or -1}
end

-- A job has failed for good; it stands nowhere any more. `job`: atm, deid, parent, opts. `most`: 0: it is not kept.
local function fail(q, id, job, reason, prev, most)
  local key = q .. id
  if job.deid then free_key(q, id, job.deid) end
  if job.parent then child_failed(job.parent, key, reason) end
  if most == 0 then
    if job.parent then child_gone(job.parent, key) end
    delete_jobs(q, {id})
  else
    call('ZADD', q .. 'failed', now, id)
    call('HSET', key, 'failedReason', reason, 'finishedOn', now)
    call('HDEL', key, 'defa')
  end
  tell(q, 'failed', 'jobId', id, 'failedReason', reason, 'prev', prev)
  local attempts = (decoded(job.opts) or {}).attempts
  if job.atm >= (tonumber(attempts) or 0) then tell(q, 'retries-exhausted', 'jobId', id, 'attemptsMade', job.atm) end
end

-- A job that is neither active nor ended fails where it stands, as `prev` says.
local function fail_unrun(q, id, prev, reason, most, age)
  if prev == 'waiting' then
    call('LREM', q .. 'wait', 0, id)
  else
    call('ZREM', q .. prev, id)
  end
  local job = look('HMGET', q .. id, 'atm', 'deid', 'parent', 'opts')
  fail(q, id, {atm = whole(job[1]), deid = job[2], parent = job[3], opts = job[4]}, reason, prev, most)
  count_ended(q, 'failed', 1)
  count_arrived(q, T)
  retain(q, 'failed', most, age)
end
