-- use: base
-- A page of the ids in one state, by its place in a list or its score in a sorted set.
local NEAR = 10000 -- jobs among which the one of the mark is looked for
local LISTS = {waiting = 'wait', active = 'active'}

-- How many of a list to leave out: what stands up to the job of the mark, wherever that has moved.
local function places_behind(key, newest, skip, behind, behind_id)
  if behind == '' then return skip end
  local place = tonumber(behind)
  if call('LINDEX', key, newest and place - 1 or -place) == behind_id then return place end
  local look = {'LPOS', key, behind_id, 'RANK', newest and 1 or -1, 'MAXLEN', NEAR}
  local found = redis.pcall(unpack(look)) -- Redis 6.0.6; where there is none, the place has to do
  if type(found) ~= 'number' then return place end
  return newest and found + 1 or call('LLEN', key) - found
end

local function list_page(key, limit, newest, skip)
  -- the next to be taken (or the oldest) stands at the tail
  local ids
  if newest then ids = call('LRANGE', key, skip, skip + limit) else ids = call('LRANGE', key, -skip - limit - 1, -skip - 1) end
  local found, marks = {}, {}
  for i = 1, math.min(#ids, limit) do
    found[i], marks[i] = newest and ids[i] or ids[#ids + 1 - i], string.format('%.0f', skip + i)
  end
  return found, marks, #ids > limit
end

local function set_page(key, limit, newest, skip, behind, behind_id, low, high)
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
  local ids, marks = {}, {}
  for i = 1, math.min(#found / 2, limit) do ids[i], marks[i] = found[i * 2 - 1], found[i * 2] end
  return ids, marks, #found / 2 > limit
end

-- Return ids, their scores or places in line, and whether there are more. `skip`: how many to leave out; `behind`: the
-- score (in a list: place) of the job, `behind_id`, behind which the page begins ('' and '': at the beginning); `low`,
-- `high`: scores. A list pages by its places, as far as the job of the mark does not tell where it stands now.
local function page_of(state, limit, newest, skip, behind, behind_id, low, high)
  local list = LISTS[state]
  if not list then return set_page(Q .. state, limit, newest, skip, behind, behind_id, low, high) end
  return list_page(Q .. list, limit, newest, places_behind(Q .. list, newest, skip, behind, behind_id))
end

local function due_of(state, mark)
  return state == 'delayed' and string.format('%.0f', math.floor(mark / 4096)) or ''
end
