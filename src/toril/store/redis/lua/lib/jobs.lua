-- use: base, places
-- A job's own keys.
local PARTS = {':logs', ':dependencies', ':processed', ':failed', ':unsuccessful'}

-- The private prefix of a queue, given its own.
local function private(q)
  local prefix, queue = q:match('^(.*):([^:]*):$')
  return prefix .. '::toril:' .. queue .. ':'
end

-- Few jobs have more than their hash, and to look for the rest costs a third of deleting what is not there.
local function delete_jobs(q, ids)
  local names = private(q) .. 'names:'
  for first = 1, #ids, 500 do
    local hashes, parts = {}, {}
    for i = first, math.min(first + 499, #ids) do
      local key = q .. ids[i]
      hashes[#hashes + 1] = key
      parts[#parts + 1] = names .. ids[i]
      for _, part in ipairs(PARTS) do parts[#parts + 1] = key .. part end
    end
    call('DEL', unpack(hashes))
    if call('EXISTS', unpack(parts)) > 0 then call('UNLINK', unpack(parts)) end -- they may be large
  end
end

-- A priority that anybody may have written.
local function whole(text)
  return math.max(math.floor(tonumber(text) or 0), 0)
end

local RARE = {'parentKey', 'parent', 'rjk', 'deid'}

-- Write a job's hash and put it where it belongs. `job`: id, name, data, opts, priority, due (0: at once), lifo, and,
-- if it has them, parent, parentKey, rjk, deid; `waits`: for its children; `line`: takes the ids of those that go to the
-- end of `wait`, instead. Return whether it stands ready.
local function write_job(q, job, waits, line)
  local delay = job.due > now and job.due - now or '0'
  local hash = {'name', job.name, 'data', job.data, 'opts', job.opts, 'timestamp', NOW, 'delay', delay,
    'priority', job.priority == 0 and '0' or job.priority}
  for _, field in ipairs(RARE) do
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
  elseif delay ~= '0' then
    place_delayed(q, job.id, job.due)
    tell(q, 'delayed', 'jobId', job.id, 'delay', job.due)
    ring_later(q)
  else
    if line and job.priority == 0 and not job.lifo then
      line[#line + 1] = job.id
    else
      place_ready(q, job.id, job.priority, job.lifo)
    end
    tell(q, 'waiting', 'jobId', job.id)
    return true
  end
  return false
end
