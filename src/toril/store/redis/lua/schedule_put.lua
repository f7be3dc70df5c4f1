-- use: base, events, places, jobs, removing
-- Write a schedule and its next job, provided that it is as it was when it was read.
-- ARGV: now; id; the tick that it had ('' if there was no schedule); '1' if the job of that tick is to go; its new tick
--   ('' if there is none any more, the old one if its job stays); the new job: name, data, opts, priority, expiry or '',
--   '' each if there is none, all but the opts '' if these are for the job that stays; JSON of the definition ({field: text}); JSON of our own fields.
-- Returns 1; 0 if it has changed meanwhile; -1 if a job of the new tick is there already.
-- Events: added; waiting or delayed; removed.
local id, had, goes, tick = ARGV[2], ARGV[3], ARGV[4] == '1', ARGV[5]
local score = call('ZSCORE', Q .. 'repeat', id)
if (score and string.format('%.0f', score) or '') ~= had then return 0 end
local job = 'repeat:' .. id .. ':' .. tick
local old = 'repeat:' .. id .. ':' .. had
if ARGV[6] ~= '' and call('EXISTS', Q .. job) == 1 and not (goes and job == old) then return -1 end
if goes then
  local was = leave_places(Q, {old})[old]
  if was then
    forget(Q, {old})
    tell(Q, 'removed', 'jobId', old, 'prev', was == 'waiting' and 'wait' or was)
  end
end
if ARGV[6] == '' and ARGV[8] ~= '' then call('HSET', Q .. old, 'opts', ARGV[8]) end
call('DEL', Q .. 'repeat:' .. id)
local hash = {}
for field, value in pairs(cjson.decode(ARGV[11])) do
  hash[#hash + 1] = field
  hash[#hash + 1] = value
end
call('HSET', Q .. 'repeat:' .. id, unpack(hash))
local own = {}
for field, value in pairs(cjson.decode(ARGV[12])) do
  own[#own + 1] = field
  own[#own + 1] = value
end
call('HSET', T .. 'schedule:' .. id, unpack(own))
call('ZADD', Q .. 'repeat', tick ~= '' and tick or had ~= '' and had or 0, id)
if ARGV[6] ~= '' then
  call('INCR', Q .. 'id')
  local due = tonumber(tick)
  local new = {id = job, name = ARGV[6], data = ARGV[7], opts = ARGV[8], priority = tonumber(ARGV[9]), due = due,
    rjk = id, expires = tonumber(ARGV[10])}
  if write_job(Q, new) then ring(Q) end
  trim_events(Q)
end
return 1
