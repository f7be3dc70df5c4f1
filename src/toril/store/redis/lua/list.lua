-- use: base, reading
-- Read a page of the jobs in one state, in the order in which they are taken or have ended, or the other way round.
-- ARGV: now; state; how many; '1' for the newest first; how many to leave out; score (in a list: place in line) and id
--   of the job behind which the page begins ('' and '': at the beginning); lowest and highest score.
-- Returns {jobs, scores or places in line, '1' if there are more}. A list pages by its places, as far as the job of the
--   mark does not tell where it stands now.
local state, limit, newest, skip = ARGV[2], tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5])
local behind, behind_id, low, high = ARGV[6], ARGV[7], ARGV[8], ARGV[9]
local NEAR = 10000 -- jobs among which the one of the mark is looked for
local LISTS = {waiting = 'wait', active = 'active'}
local jobs, marks = {}, {}

local function keep(id, mark)
  local due = state == 'delayed' and string.format('%.0f', math.floor(mark / 4096)) or ''
  local job = read_job(Q, id, state, due)
  if job then
    jobs[#jobs + 1] = job
    marks[#marks + 1] = mark
  end
end

-- How many of a list to leave out: what stands up to the job of the mark, wherever that has moved.
local function places_behind(key)
  if behind == '' then return skip end
  local place = tonumber(behind)
  if call('LINDEX', key, newest and place - 1 or -place) == behind_id then return place end
  local look = {'LPOS', key, behind_id, 'RANK', newest and 1 or -1, 'MAXLEN', NEAR}
  local found = redis.pcall(unpack(look)) -- Redis 6.0.6; where there is none, the place has to do
  if type(found) ~= 'number' then return place end
  return newest and found + 1 or call('LLEN', key) - found
end

local function list_page(key)
  skip = places_behind(key)
  -- the next to be taken (or the oldest) stands at the tail
  local ids
  if newest then ids = call('LRANGE', key, skip, skip + limit) else ids = call('LRANGE', key, -skip - limit - 1, -skip - 1) end
  local more = #ids > limit
  for i = 1, math.min(#ids, limit) do
    keep(newest and ids[i] or ids[#ids + 1 - i], string.format('%.0f', skip + i))
  end
  return more
end

local function set_page(key)
  local function range(from, count, offset)
    if newest then return call('ZREVRANGEBYSCORE', key, from or high, low, 'WITHSCORES', 'LIMIT', offset, count) end
    return call('ZRANGEBYSCORE', key, from or low, high, 'WITHSCORES', 'LIMIT', offset, count)
  end
  local offset = skip
  if behind ~= '' then -- leave out those of the same score up to the mark
    local rank = call(newest and 'ZREVRANK' or 'ZRANK', key, behind_id)
    if rank and call('ZSCORE', key, behind_id) == behind then
      offset = rank + 1 - call('ZCOUNT', key, newest and '(' .. behind or '-inf', newest and '+inf' or '(' .. behind)
    else -- that job has gone: go on with what sorts behind it
      local same = call('ZRANGEBYSCORE', key, behind, behind)
      for _, id in ipairs(same) do
        if (newest and id > behind_id) or (not newest and id < behind_id) then offset = offset + 1 end
      end
    end
  end
  local found = range(behind ~= '' and behind or nil, limit + 1, offset)
  for i = 1, math.min(#found / 2, limit) do keep(found[i * 2 - 1], found[i * 2]) end
  return #found / 2 > limit
end

local more
if LISTS[state] then more = list_page(Q .. LISTS[state]) else more = set_page(Q .. state) end
return {jobs, marks, more and '1' or ''}
