-- use: base
-- The event stream of a queue, in BullMQ's words.
local function tell(q, event, ...)
  if stamp == '*' then return call('XADD', q .. 'events', '*', 'event', event, ...) end
  local last = call('XREVRANGE', q .. 'events', '+', '-', 'COUNT', 1)[1]
  local at = math.max(now, last and tonumber(last[1]:match('^%d+')) or 0) -- that clock may jump back
  return call('XADD', q .. 'events', string.format('%.0f-*', at), 'event', event, ...)
end

-- What BullMQ's event has no field for is kept beside the stream, under the same id: why a run failed whose job goes on
-- (`delayed`, `waiting`), whose worker was lost (`stalled`).
local EVENTS = '10000' -- that are kept, if nobody says otherwise: BullMQ's default
local function tell_more(entry, field, value)
  local most = call('HGET', Q .. 'meta', 'opts.maxLenEvents') or EVENTS
  call('XADD', T .. 'details', 'MAXLEN', '~', most, entry, field, value)
end

local function trim_events(q)
  local most = call('HGET', q .. 'meta', 'opts.maxLenEvents')
  if not most then
    most = EVENTS
    call('HSET', q .. 'meta', 'opts.maxLenEvents', most)
  end
  call('XTRIM', q .. 'events', 'MAXLEN', '~', most)
end

-- The jobs that were added to a queue lately, by their ids: a call whose reply was lost is repeated within a second.
-- Whether it was carried out cannot be told from the jobs alone: they may have run and be gone.
local LATELY = 3000 -- ms
local function added_lately(q)
  local from = stamp == '*' and string.format('%.0f', now - LATELY) or '-'
  local added = {}
  for _, entry in ipairs(call('XREVRANGE', q .. 'events', '+', from, 'COUNT', 10000)) do
    local fields = entry[2]
    if fields[2] == 'added' then added[fields[4]] = true end
  end
  return added
end
