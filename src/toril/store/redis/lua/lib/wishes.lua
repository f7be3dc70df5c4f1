-- use: base
-- Wishes to cancel active jobs: id → `run:who asked`.
local function all_wishes(t)
  local wishes, found = {}, call('HGETALL', t .. 'cancel')
  for i = 1, #found, 2 do wishes[found[i]] = found[i + 1] end
  return wishes
end

-- Why a run is cancelled, or nil.
local function wished(wishes, id, starts)
  local wish = wishes[id]
  if not wish or wish:match('^%d+') ~= starts then return nil end
  return 'Cancelled: by ' .. wish:match('^%d+:(.*)$')
end
