-- use: base, reading, pages
-- Read a page of the jobs in one state, in the order in which they are taken or have ended, or the other way round.
-- ARGV: now; state; how many; '1' for the newest first; how many to leave out; mark (score and id, '' and '': none).
-- Returns {jobs, scores or places in line, '1' if there are more}.
local state = ARGV[2]
local ids, marks, more =
  page_of(state, tonumber(ARGV[3]), ARGV[4] == '1', tonumber(ARGV[5]), ARGV[6], ARGV[7], '-inf', '+inf')
local jobs, places = {}, {}
for i, id in ipairs(ids) do
  local job = read_job(Q, id, state, due_of(state, marks[i]))
  if job then
    jobs[#jobs + 1] = job
    places[#places + 1] = marks[i]
  end
end
return {jobs, places, more and '1' or ''}
