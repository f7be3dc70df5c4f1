-- use: base, jobs
-- What bounds the adding of jobs. All is checked before anything is written.

-- Charge a job to its budget and return nil; or return when the budget is free again (nothing is charged then).
local function budget_left(key)
  local used, left = call('GET', key), call('PTTL', key)
  if not used or left <= 0 then return 0, nil end
  return tonumber(used), now + left
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
    local used, free_at = budget_left(key)
    if used + cost[2] > charge.limit then
      return {'spent', charge.key, charge.budget, string.format('%.0f', free_at or now + charge.per)}
    end
  end
  for key, cost in pairs(costs) do
    if call('INCRBY', key, cost[2]) == cost[2] then call('PEXPIRE', key, cost[1].per) end
  end
  return nil
end
