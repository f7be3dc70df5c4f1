-- use: base, full, events, jobs, family, removing
-- Remove some of the children that a job waits for, and theirs, but none that has failed or is being run.
-- ARGV: now; id; the cursor from which to go on (0).
-- Returns {how many; the cursor, 0 at the end}; nothing if there is no such job.
-- Events: removed, of children before their parents; of parents: waiting.
local id, tree = ARGV[2], {}
if call('EXISTS', Q .. id) == 0 then return nil end

local function gather(child)
  local q, child_id = place_of(child)
  if tree[child] or call('EXISTS', child .. ':lock') == 1 or call('ZSCORE', q .. 'failed', child_id) then return end
  tree[child] = true
  tree[#tree + 1] = {q, child_id}
  for _, below in ipairs(children_of(child, false)) do gather(below) end
end

local scanned = call('SSCAN', Q .. id .. ':dependencies', ARGV[3], 'COUNT', 250)
table.sort(scanned[2])
for _, child in ipairs(scanned[2]) do gather(child) end
remove_all(tree)
return {#tree, scanned[1]}
