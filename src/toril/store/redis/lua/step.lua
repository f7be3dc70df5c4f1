-- use: base, full, events, places, jobs, family, ending, wishes
-- The hot path: record what ended, promote what is due, take new jobs.
-- ARGV: now; token of this step; '1' if it repeats one whose reply was lost: what that did is done once; worker; lease
--   (ms); jobs wanted;
--   numbers of notes, of kinds of retention, of groups of outcomes; then
--   notes: id, starts, token, progress or '', lines kept, number of lines, lines;
--   retentions: state, most (negative: all), age in ms (negative: for ever);
--   groups: kind, token, retention ('': each job's own), number of outcomes; each of those is id, starts and, if it is
--     C completed: result                         F failed: reason, stack, attempts (0, 1)
--     D delayed: due (0: at once), reason, stack, attempts
--     R released: nothing                         L released, queue closed: until
-- Returns {numbers of refused outcomes, taken, due or '', closed or '', opens at or '', {number, reason} of those that
--   failed in place of their outcome, ids that name no job}; a job taken is {id, starts, fields and values}.
-- Events: progress; completed, failed, retries-exhausted, delayed, waiting; of parents: waiting, delayed;
--   active; drained.
local token, again, worker, lease, want = ARGV[2], ARGV[3] == '1', ARGV[4], ARGV[5], tonumber(ARGV[6])
local notes, retentions, groups = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local at = 10
local ACTIVE = Q .. 'active'
local MEMORY, KEPT = T .. 'step:' .. token:match('^(.*)%.'), 3600000 -- what this lane's last step did; ms
local BY_HAND = '9007199254740991' -- jobs "started" in a window that a task has closed, as on BullMQ

-- What this step did when it was tried before: its jobs are handed out again, but for those that were rescued since.
local function done_before(reply)
  local taken = {}
  local active = {}
  for _, id in ipairs(call('LRANGE', ACTIVE, 0, -1)) do active[id] = true end
  for _, job in ipairs(reply[2]) do
    local id, starts = job[1], job[2]
    local key = Q .. id
    local lock = call('GET', key .. ':lock')
    if active[id] and (lock == token or (not lock and tonumber(call('HGET', key, 'ats')) == starts)) then
      call('SET', key .. ':lock', token, 'PX', lease) -- it may have run out meanwhile
      call('SREM', Q .. 'stalled', id)
      taken[#taken + 1] = {id, starts, call('HGETALL', key)}
    end
  end
  reply[2] = taken
  return reply
end

if again then
  local known = call('GET', MEMORY)
  local first = known and cmsgpack.unpack(known)
  if first and first[1] == token then return done_before(first[2]) end
end

-- Whether a run is still its job's: its lock holds, or the lock is gone and nobody has started the job since.
local function current(id, starts, mark)
  local lock = call('GET', Q .. id .. ':lock')
  if lock then return lock == mark end
  return call('HGET', Q .. id, 'ats') == starts
end

local function is_active(id)
  for _, other in ipairs(call('LRANGE', ACTIVE, 0, -1)) do
    if other == id then return true end
  end
  return false
end

for _ = 1, notes do
  local id, progress, kept, count = ARGV[at], ARGV[at + 3], tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local key = Q .. id
  if current(id, ARGV[at + 1], ARGV[at + 2]) and is_active(id) and call('EXISTS', key) == 1 then
    if progress ~= '' then
      call('HSET', key, 'progress', progress)
      tell(Q, 'progress', 'jobId', id, 'data', progress)
    end
    local last = at + 5 + count
    for first = at + 6, last, 4000 do -- as in in_parts
      call('RPUSH', key .. ':logs', unpack(ARGV, first, math.min(first + 3999, last)))
    end
    if count > 0 then call('LTRIM', key .. ':logs', -kept, -1) end
  end
  at = at + 6 + count
end

local keeps = {}
for number = 1, retentions do
  keeps[number] = {ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), ended = {}}
  at = at + 3
end

-- An outcome is {kind, id, key, starts, token, retention, what is its kind's own …}.
local WIDTH = {C = 3, F = 5, D = 6, R = 2, L = 3}
local outcomes, locks, parts = {}, {}, {}
for _ = 1, groups do
  local kind, mark, keep = ARGV[at], ARGV[at + 1], keeps[tonumber(ARGV[at + 2])]
  local width, first = WIDTH[kind], at + 4
  at = first + tonumber(ARGV[at + 3]) * width
  for from = first, at - 1, width do
    local key = Q .. ARGV[from]
    outcomes[#outcomes + 1] = {kind, ARGV[from], key, ARGV[from + 1], mark, keep, unpack(ARGV, from + 2, from + width - 1)}
    locks[#locks + 1] = key .. ':lock'
    if kind == 'C' then
      parts[#parts + 1] = key .. ':dependencies'
      parts[#parts + 1] = key .. ':unsuccessful'
    end
  end
end

local wishes = #outcomes > 0 and all_wishes(T) or {}
local free = #parts == 0 or call('EXISTS', unpack(parts)) == 0 -- nothing stands in the way of any that returned
local held = #locks > 0 and call('MGET', unpack(locks)) or {}

local refused, instead, unlock, closing, put_off = {}, {}, {}, nil, false
local completed, failed = 0, 0
local in_place = {} -- retentions of those that failed in place of their outcome

local function failed_for_good(id, job, reason, stack, keep, attempts)
  local key = Q .. id
  job.atm = whole(job.atm) + attempts
  if attempts > 0 then call('HSET', key, 'atm', job.atm) end
  if stack ~= '' then call('HSET', key, 'stacktrace', stack) end
  if job.parent then free = false end -- the parent may have returned in this step, too
  fail(Q, id, job, reason, 'active', keep[2])
  failed = failed + 1
end

local function fail_in_place(number, id, job, reason, stack, attempts)
  local keep = own_keep(call('HGET', Q .. id, 'opts'))
  failed_for_good(id, job, reason, stack, keep, attempts)
  instead[#instead + 1] = {number, reason}
  in_place[#in_place + 1] = keep
end

local function delay(id, key, job, due, reason, stack, attempts)
  local entry
  local hash = {'atm', whole(job.atm) + attempts}
  if reason ~= '' then hash[3], hash[4] = 'failedReason', reason else call('HDEL', key, 'failedReason') end
  if stack ~= '' then hash[#hash + 1], hash[#hash + 2] = 'stacktrace', stack end
  if due > now then
    hash[#hash + 1], hash[#hash + 2] = 'delay', due - now
    place_delayed(Q, id, due)
    put_off = true
    entry = tell(Q, 'delayed', 'jobId', id, 'delay', due)
  else
    local options = decoded(job.opts) or {}
    place_ready(Q, id, whole(job.priority), attempts > 0 and options.lifo) -- a snooze lets the others go first
    entry = tell(Q, 'waiting', 'jobId', id, 'prev', 'active')
  end
  call('HSET', key, unpack(hash))
  if attempts > 0 then tell_more(entry, 'failedReason', reason) end
end

local function put_back(number, outcome, job)
  local kind, id, key = outcome[1], outcome[2], outcome[3]
  local delayed = kind == 'D'
  local attempts = delayed and tonumber(outcome[10]) or 0
  local reason = wished(wishes, id, job.ats)
  if reason then -- its worker had not heard of it yet
    fail_in_place(number, id, job, reason, delayed and outcome[9] or '', attempts)
  elseif delayed then
    delay(id, key, job, tonumber(outcome[7]), outcome[8], outcome[9], attempts)
  else
    place_first(Q, id, whole(job.priority))
    tell(Q, 'waiting', 'jobId', id, 'prev', 'active')
    if kind == 'L' then closing = math.max(closing or 0, tonumber(outcome[7])) end
  end
end

local function complete(number, id, key, job, keep, result)
  local stuck = not free and obstacle(key)
  if stuck then
    fail_in_place(number, id, job, stuck, '', 1)
    return
  end
  if job.deid then free_key(Q, id, job.deid) end
  if job.parent then child_completed(job.parent, key, result) end
  if keep[2] == 0 then
    delete_jobs(Q, {id})
  else
    call('HSET', key, 'atm', job.atm and whole(job.atm) + 1 or '1', 'returnvalue', result, 'finishedOn', NOW)
    local ended = keep.ended
    ended[#ended + 1] = NOW
    ended[#ended + 1] = id
  end
  tell(Q, 'completed', 'jobId', id, 'returnvalue', result, 'prev', 'active')
  completed = completed + 1
end

for number, outcome in ipairs(outcomes) do
  local kind, id, key, starts, mark, keep = unpack(outcome, 1, 6)
  local lock = held[number]
  local job
  if kind == 'C' then
    local found = call('HMGET', key, 'ats', 'atm', 'deid', 'parent')
    job = {ats = found[1], atm = found[2], deid = found[3], parent = found[4]}
  else
    local found = call('HMGET', key, 'ats', 'atm', 'deid', 'parent', 'opts', 'priority')
    job = {ats = found[1], atm = found[2], deid = found[3], parent = found[4], opts = found[5], priority = found[6]}
  end
  local valid = job.ats and (lock == mark or (not lock and job.ats == starts))
  if not job.ats and lock == mark then -- somebody has deleted the job under way: nothing of it may come back
    call('DEL', key .. ':lock')
    call('LREM', ACTIVE, -1, id)
  end
  if not valid or call('LREM', ACTIVE, -1, id) == 0 then
    refused[#refused + 1] = number
  else
    unlock[#unlock + 1] = id
    if kind == 'C' then
      complete(number, id, key, job, keep, outcome[7])
    elseif kind == 'F' then
      failed_for_good(id, job, outcome[7], outcome[8], keep or own_keep(job.opts), tonumber(outcome[9]))
    else
      put_back(number, outcome, job)
    end
  end
end

if #unlock > 0 then
  local locks = {}
  for i, id in ipairs(unlock) do locks[i] = Q .. id .. ':lock' end
  call('DEL', unpack(locks))
  call('SREM', Q .. 'stalled', unpack(unlock))
  if next(wishes) then call('HDEL', T .. 'cancel', unpack(unlock)) end
end
for _, keep in ipairs(keeps) do
  if #keep.ended > 0 then call('ZADD', Q .. keep[1], unpack(keep.ended)) end
  retain(Q, keep[1], keep[2], keep[3])
end
for _, keep in ipairs(in_place) do retain(Q, 'failed', keep[2], keep[3]) end
count_ended(Q, 'completed', completed)
count_ended(Q, 'failed', failed)
if completed + failed > 0 then count_arrived(Q, T) end
if notes + #outcomes > 0 then trim_events(Q) end
if closing then
  local meta = call('HMGET', Q .. 'meta', 'max', 'duration')
  if not meta[1] then call('HSET', Q .. 'meta', 'max', BY_HAND, 'duration', 1000) end -- or Node would not obey
  local used, left = call('GET', Q .. 'limiter'), call('PTTL', Q .. 'limiter')
  if used and left > 0 and tonumber(used) >= tonumber(meta[1] or BY_HAND) then closing = math.max(closing, now + left) end
  call('SET', Q .. 'limiter', BY_HAND, 'PX', math.max(closing - now, 1))
end

promote_due(Q)

-- How the queue stands: why nothing may be taken (''), when that will change by itself (''), how many may be taken.
local function gate(meta, active)
  if meta[1] then return 'paused', '', 0 end
  local room = want
  if meta[3] then
    local used, left = tonumber(call('GET', Q .. 'limiter') or 0), call('PTTL', Q .. 'limiter')
    if left <= 0 then
      if used > 0 then call('DEL', Q .. 'limiter') end -- in its last millisecond: what is started now is of the next
      used = 0
    end
    room = math.min(room, tonumber(meta[3]) - used)
    if room <= 0 and left > 0 then return 'rate limited', now + left, 0 end
  end
  if meta[2] then
    room = math.min(room, tonumber(meta[2]) - active)
    if room <= 0 then return 'limit full', '', 0 end
  end
  return '', '', room
end

local taken, phantoms, started = {}, {}, {}
local counted = 0
local function start(id)
  local key = Q .. id
  local fields = look('HGETALL', key)
  local starts, name, deferred = '1', false, false
  for i = 1, #fields, 2 do
    local field = fields[i]
    if field == 'ats' then starts = string.format('%.0f', whole(fields[i + 1]) + 1)
    elseif field == 'name' then name = true
    elseif field == 'defa' then deferred = true end
  end
  if not name then
    if id:sub(1, 2) ~= '0:' then phantoms[#phantoms + 1] = id end -- else a marker of old versions
    return
  end
  call('HSET', key, 'processedOn', NOW, 'pb', worker, 'ats', starts)
  call('SET', key .. ':lock', token, 'PX', lease)
  started[#started + 1] = id
  tell(Q, 'active', 'jobId', id, 'prev', 'waiting')
  taken[#taken + 1] = {id, tonumber(starts), fields}
  if not deferred then counted = counted + 1 end
end

local meta = call('HMGET', Q .. 'meta', 'paused', 'concurrency', 'max', 'duration')
local closed, opens, room = gate(meta, meta[2] and call('LLEN', ACTIVE) or 0)
while #started < room do
  local ids = call('LRANGE', Q .. 'wait', #started - room, -1)
  if #ids == 0 then break end
  call('LTRIM', Q .. 'wait', 0, -#ids - 1)
  for i = #ids, 1, -1 do start(ids[i]) end
end
while #started < room do
  local ids = call('ZRANGE', Q .. 'prioritized', 0, room - #started - 1)
  if #ids == 0 then
    call('DEL', Q .. 'pc')
    break
  end
  call('ZREMRANGEBYRANK', Q .. 'prioritized', 0, #ids - 1)
  for _, id in ipairs(ids) do start(id) end
end
if #started > 0 then
  call('LPUSH', ACTIVE, unpack(started))
  call('ZADD', Q .. 'marker', 0, '0') -- as BullMQ does: there may be more for another worker
  if meta[3] and counted > 0 and (call('INCRBY', Q .. 'limiter', counted) == counted or call('PTTL', Q .. 'limiter') < 0) then
    call('PEXPIRE', Q .. 'limiter', meta[4] or 1000)
  end
end
if want > 0 then closed, opens = gate(meta, meta[2] and call('LLEN', ACTIVE) or 0) end
local left = call('LLEN', Q .. 'wait') + call('ZCARD', Q .. 'prioritized')
local due = call('ZRANGE', Q .. 'delayed', 0, 0, 'WITHSCORES')
if left == 0 then
  local over = #outcomes > 0 and #taken == 0 and not due[1] and closed == ''
  if over and call('LLEN', ACTIVE) == 0 then tell(Q, 'drained') end
elseif #unlock > 0 and #started == 0 then
  ring(Q) -- what has ended may make room for another worker
end
if put_off and #taken == 0 then ring_later(Q) end
due = due[2] and string.format('%.0f', math.floor(due[2] / SLOTS)) or ''
if notes + #outcomes + #taken > 0 then
  local names = {}
  for i, job in ipairs(taken) do names[i] = {job[1], job[2]} end
  local reply = {refused, names, due, closed, opens, instead, phantoms}
  call('SET', MEMORY, cmsgpack.pack({token, reply}), 'PX', KEPT)
end
return {refused, taken, due, closed, opens, instead, phantoms}
