-- use: base, jobs
-- What bounds the adding of jobs. All is checked before anything is written.

-- How much of a budget is used, and until when that counts (nil: nothing is).
local function budget_used(key)
  local found = call('HMGET', key, 'used', 'until')
  if not found[1] or tonumber(found[2]) <= now then return 0, nil end
  return tonumber(found[1]), tonumber(found[2])
end

-- `adds`: {q, t, charge = {key, limit, per, budget}} of each job that will be added. Return what stands in the way.
local function exceeded(adds)
  local more, costs = {}, {}
  for _, add in ipairs(adds) do
    if not add.waits then more[add.t] = {add.q, (more[add.t] or {add.q, 0})[2] + 1} end
    if add.charge then
      local key = add.t .. 'budget:' .. add.charge.key
      costs[key] = {add.charge, (costs[key] or {nil, 0})[2] + 1}
    end
  end
  for t, more_here in pairs(more) do
    local q, number = more_here[1], more_here[2]
    local most = call('HGET', t .. 'bounds', 'length')
    if most and call('LLEN', q .. 'wait') + call('ZCARD', q .. 'prioritized') + call('ZCARD', q .. 'delayed') + number
      > tonumber(most) then
      return {'full', q, most}
    end
  end
  for key, cost in pairs(costs) do
    local charge = cost[1]
    local used, free_at = budget_used(key)
    if used + cost[2] > charge.limit then
      return {'spent', charge.key, charge.budget, string.format('%.0f', free_at or now + charge.per)}
    end
  end
  for key, cost in pairs(costs) do
    local used, free_at = budget_used(key)
    call('HSET', key, 'used', used + cost[2], 'until', free_at or now + cost[1].per)
    if not free_at then call('PEXPIRE', key, cost[1].per + 1000) end
  end
  return nil
end
