-- use: base, events, places, jobs, family
-- Let ended jobs run again.
-- ARGV: now; state (completed or failed); '1' for up to 500 of them, the oldest first, or '' for the ids that follow.
-- Returns {ids that are ready again}.
-- Events: waiting; waiting-children.
local state = ARGV[2]
local ids = {}
if ARGV[3] == '1' then
  ids = call('ZRANGE', Q .. state, 0, 499) -- about 10 ms
else
  for at = 4, #ARGV do ids[#ids + 1] = ARGV[at] end
end

-- Whoever retries a job by hand wants it to run, however late.
local function without_expiry(key, opts)
  if not opts or not opts:find('"expires') then return end
  local own = opts:match('"toril":(%b{})')
  if not own then return end
  local plain = own:gsub('"expires%w*":%d+,?', ''):gsub(',}', '}')
  local from, to = opts:find(own, 1, true)
  call('HSET', key, 'opts', opts:sub(1, from - 1) .. plain .. opts:sub(to + 1))
end

local done = {}
for _, id in ipairs(ids) do
  local key = Q .. id
  local job = look('HMGET', key, 'opts', 'parent', 'name')
  if call('ZREM', Q .. state, id) == 1 and job[3] then
    call('HDEL', key, 'finishedOn', 'processedOn', state == 'failed' and 'failedReason' or 'returnvalue')
    without_expiry(key, job[1])
    call('ZREM', T .. 'expiry', id)
    local q, parent = parent_of(job[2])
    if q and call('EXISTS', q .. parent) == 1 then -- its parent waits for it again
      local family = q .. parent
      local gone = call('HDEL', family .. ':processed', key) + call('HDEL', family .. ':failed', key)
        + call('ZREM', family .. ':unsuccessful', key)
      if gone > 0 then call('SADD', family .. ':dependencies', key) end
    end
    done[#done + 1] = id
  end
end
for _, id in ipairs(done) do -- those of one family are whole again by now
  local key = Q .. id
  if call('SCARD', key .. ':dependencies') > 0 then
    call('ZADD', Q .. 'waiting-children', now, id)
    tell(Q, 'waiting-children', 'jobId', id, 'prev', state)
  else
    local job = look('HMGET', key, 'priority', 'opts')
    place_ready(Q, id, whole(job[1]), (decoded(job[2]) or {}).lifo)
    tell(Q, 'waiting', 'jobId', id, 'prev', state)
  end
end
if #done > 0 then
  trim_events(Q)
  ring(Q)
end
return done
