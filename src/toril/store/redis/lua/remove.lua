-- use: base, full, events, jobs, family, removing
-- Remove jobs; one that is being run stays, with all above it, and so does the next one of a schedule.
-- ARGV: now; '1' to remove all that is below them too; ids.
-- Returns {ids that were removed}.
-- Events: removed, of children before their parents; of parents: waiting.
local whole_tree = ARGV[2] == '1'
local going = {} -- by their keys

-- Put what is to go into `tree`, parents first; return false if something of it has to stay.
local function gather(q, id, tree)
  local key = q .. id
  if going[key] then return true end
  if call('EXISTS', key .. ':lock') == 1 or is_next_tick(q, id) then return false end
  going[key] = true
  tree[#tree + 1] = {q, id}
  if not whole_tree then return true end
  for _, child in ipairs(children_of(key, true)) do
    local child_q, child_id = place_of(child)
    if call('EXISTS', child) == 1 and not gather(child_q, child_id, tree) then return false end
  end
  return true
end

local removed, all = {}, {}
for at = 3, #ARGV do
  local id, tree = ARGV[at], {}
  if not going[Q .. id] and call('EXISTS', Q .. id) == 1 then
    local goes = gather(Q, id, tree)
    if goes then removed[#removed + 1] = id end
    for _, job in ipairs(tree) do
      if goes then all[#all + 1] = job else going[job[1] .. job[2]] = nil end
    end
  end
end
remove_all(all)
if #removed > 0 then trim_events(Q) end
return removed
