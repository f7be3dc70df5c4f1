-- use: base, full
-- Renew the leases of runs of one queue.
-- ARGV: now; lease (ms); for each run: id, starts, token.
-- Returns {numbers of runs that are lost, {number, who asked} of those to be cancelled}.
local lease = tonumber(ARGV[2])
local wishes = call('EXISTS', T .. 'cancel') == 1
local lost, cancelled, renewed = {}, {}, {}
local active

local function is_active(id)
  if not active then
    active = {}
    for _, other in ipairs(call('LRANGE', Q .. 'active', 0, -1)) do active[other] = true end
  end
  return active[id]
end

for at = 3, #ARGV, 3 do
  local id, starts, token = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  local key = Q .. id .. ':lock'
  local lock, number = call('GET', key), (at - 3) / 3 + 1
  local ours = lock == token
  if not lock then ours = is_active(id) and call('HGET', Q .. id, 'ats') == starts end
  if not ours then
    lost[#lost + 1] = number
  else
    if not lock then
      call('SET', key, token, 'PX', lease)
      renewed[#renewed + 1] = id
    elseif call('PTTL', key) < lease * 2 / 3 then
      call('PEXPIRE', key, lease)
      renewed[#renewed + 1] = id
    end
    local wish = wishes and call('HGET', T .. 'cancel', id)
    if wish and wish:match('^%d+') == starts then cancelled[#cancelled + 1] = {number, wish:match('^%d+:(.*)$')} end
  end
end
if #renewed > 0 then call('SREM', Q .. 'stalled', unpack(renewed)) end
return {lost, cancelled}
