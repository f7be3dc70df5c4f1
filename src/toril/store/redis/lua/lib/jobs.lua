-- use: base, places
-- A job's own keys.
local PARTS = {'', ':logs', ':dependencies', ':processed', ':failed', ':unsuccessful'}

-- The private prefix of a queue, given its own.
local function private(q)
  local prefix, queue = q:match('^(.*):([^:]*):$')
  return prefix .. '::toril:' .. queue .. ':'
end

local function delete_jobs(q, ids)
  local keys, names = {}, private(q) .. 'names:'
  for _, id in ipairs(ids) do
    keys[#keys + 1] = names .. id
    for _, part in ipairs(PARTS) do keys[#keys + 1] = q .. id .. part end
    if #keys > 4000 then
      call('DEL', unpack(keys))
      keys = {}
    end
  end
  if #keys > 0 then call('DEL', unpack(keys)) end
end

-- A priority that anybody may have written.
local function whole(text)
  return math.max(math.floor(tonumber(text) or 0), 0)
end

-- Write a job's hash and put it where it belongs. `job`: id, name, data, opts, priority, due (0: at once), lifo, and,
-- if it has them, parent, parentKey, rjk, deid; `waits`: for its children. Return whether it stands ready.
local function write_job(q, job, waits)
  local delay = job.due > now and job.due - now or 0
  local hash = {'name', job.name, 'data', job.data, 'opts', job.opts, 'timestamp', now, 'delay', delay,
    'priority', job.priority}
  for _, field in ipairs({'parentKey', 'parent', 'rjk', 'deid'}) do
    if job[field] then
      hash[#hash + 1] = field
      hash[#hash + 1] = job[field]
    end
  end
  call('HSET', q .. job.id, unpack(hash))
  tell(q, 'added', 'jobId', job.id, 'name', job.name)
  if job.expires then call('ZADD', T .. 'expiry', job.expires, job.id) end
  if waits then
    call('ZADD', q .. 'waiting-children', now, job.id)
    tell(q, 'waiting-children', 'jobId', job.id)
  elseif delay > 0 then
    place_delayed(q, job.id, job.due)
    tell(q, 'delayed', 'jobId', job.id, 'delay', job.due)
    ring_later(q)
  else
    place_ready(q, job.id, job.priority, job.lifo)
    tell(q, 'waiting', 'jobId', job.id)
    return true
  end
  return false
end
