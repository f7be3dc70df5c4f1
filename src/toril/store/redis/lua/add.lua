-- use: base, events, places, jobs, keys, bounds
-- Add jobs, all or none.
-- KEYS: a pair of prefixes for each queue.
-- ARGV: now; '1' if this repeats a call whose reply was lost; for each job: number of its queue's pair (from 1), id,
--   '1' if the caller chose the id, name, data, opts, priority, due (0: at once), JSON of what few jobs have
--   ({lifo, de, charge, expires}) or ''.
-- Returns the ids, in order: that of the job that is there for one that is not added. Or an error as
--   {'', 'full', queue prefix, length} or {'', 'spent', key, budget, free at}.
-- Events: added; waiting or delayed; duplicated, deduplicated, removed.
local again = ARGV[2] == '1'
local jobs, ids = {}, {}
local bounded = false

for at = 3, #ARGV, 9 do
  local pair = tonumber(ARGV[at]) * 2 - 1
  local job = {q = KEYS[pair], t = KEYS[pair + 1], id = ARGV[at + 1], chosen = ARGV[at + 2] == '1', name = ARGV[at + 3],
    data = ARGV[at + 4], opts = ARGV[at + 5], priority = tonumber(ARGV[at + 6]), due = tonumber(ARGV[at + 7])}
  if ARGV[at + 8] ~= '' then
    local more = cjson.decode(ARGV[at + 8])
    job.lifo, job.de, job.charge, job.expires = more.lifo, more.de, more.charge, more.expires
    if job.de then job.deid = job.de.id end
    bounded = bounded or job.charge
  end
  jobs[#jobs + 1] = job
end

local lately = {}
-- Whether a job is there, or (repeated) was added by the first try and is gone again.
local function is_there(job)
  if not (job.chosen or again) then return false end
  if again and not lately[job.q] then lately[job.q] = added_lately(job.q) end
  return (again and lately[job.q][job.id]) or call('EXISTS', job.q .. job.id) == 1
end

-- Whether a job will be added, as far as that is known before the others are.
local function is_new(job, seen)
  if (job.chosen and seen[job.q .. job.id]) or is_there(job) then return false end
  seen[job.q .. job.id] = true
  if job.de then
    local key = job.q .. 'de:' .. job.de.id
    local owner = call('GET', key)
    local held = seen[key] or (owner and (call('PTTL', key) > 0 or call('EXISTS', job.q .. owner) == 1))
    seen[key] = true
    return not held
  end
  return true
end

for pair = 2, #KEYS, 2 do bounded = bounded or call('EXISTS', KEYS[pair] .. 'bounds') == 1 end
if bounded then
  local seen, adds = {}, {}
  for _, job in ipairs(jobs) do
    if is_new(job, seen) then adds[#adds + 1] = job end
  end
  local problem = exceeded(adds)
  if problem then return {'', unpack(problem)} end
end

local queues = {}
for _, job in ipairs(jobs) do
  local q = job.q
  local here = queues[q] or {added = 0, ready = false, line = {}}
  queues[q] = here
  here.added = here.added + 1
  ids[#ids + 1] = job.id
  if is_there(job) then
    if not again then tell(q, 'duplicated', 'jobId', job.id) end
  else
    T = job.t
    local owner = job.de and claim(q, job, job.de)
    if owner then
      ids[#ids] = owner
    elseif write_job(q, job, false, here.line) then
      here.ready = true
    end
  end
end
for q, here in pairs(queues) do
  in_parts('LPUSH', q .. 'wait', here.line)
  call('INCRBY', q .. 'id', here.added)
  trim_events(q)
  if here.ready then ring(q) end
end
return ids
