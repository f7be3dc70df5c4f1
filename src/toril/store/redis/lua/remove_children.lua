-- use: base, events, jobs, family, removing
-- Remove the children that a job waits for, and theirs, but none that has failed or is being run.
-- ARGV: now; id.
-- Returns how many; nothing if there is no such job.
-- Events: removed, of children before their parents; of parents: waiting.
local id = ARGV[2]
if call('EXISTS', Q .. id) == 0 then return nil end
local tree = {}

local function gather(key)
  for _, child in ipairs(children_of(key, false)) do
    local q, child_id = place_of(child)
    if call('EXISTS', child .. ':lock') == 0 and not call('ZSCORE', q .. 'failed', child_id) and not tree[child] then
      tree[child] = true
      tree[#tree + 1] = {q, child_id}
      gather(child)
    end
  end
end

gather(Q .. id)
remove_all(tree)
return #tree
