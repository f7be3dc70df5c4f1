-- use: base, reading, pages
-- Read those of the newest jobs in one state that may match a filter: what is passed over here need not travel.
-- ARGV: now; state; how many to look at; how many to return at most; mark (score and id, '' and '': none); lowest and
--   highest score; texts as in Filter.hints, '' for none: in the name, the data, the reason, any of them.
-- Returns {jobs; scores or places in line; at which of those looked at they are; how many were looked at; score or place
--   of the last of these; its id; '1' if there are more}.
local state, most = ARGV[2], tonumber(ARGV[4])
local in_name, in_data, in_reason, in_any = ARGV[9], ARGV[10], ARGV[11], ARGV[12]
local told = in_name .. in_data .. in_reason .. in_any ~= ''
local ids, marks, more = page_of(state, tonumber(ARGV[3]), true, 0, ARGV[5], ARGV[6], ARGV[7], ARGV[8])

local function has(text, part)
  return text:find(part, 1, true)
end

-- Whatever the case; other characters than ASCII's have cases that Lua does not know.
local function says(text, part)
  return has(text:lower(), part) or text:find('[\128-\255]')
end

local function may_match(id)
  local job = look('HMGET', Q .. id, 'name', 'data', 'failedReason')
  local name, data, reason = job[1] or '', job[2] or '', job[3] or ''
  return has(name, in_name) and (has(data, in_data) or has(data, '\\u00')) and (in_reason == '' or says(reason, in_reason))
    and (in_any == '' or says(name .. '\n' .. data .. '\n' .. reason, in_any))
end

local jobs, places, numbers = {}, {}, {}
local looked = 0
for i, id in ipairs(ids) do
  if #jobs == most then break end
  looked = i
  local job = (not told or may_match(id)) and read_job(Q, id, state, due_of(state, marks[i]))
  if job then
    jobs[#jobs + 1], places[#places + 1], numbers[#numbers + 1] = job, marks[i], i
  end
end
return {jobs, places, numbers, looked, marks[looked] or '', ids[looked] or '', (more or looked < #ids) and '1' or ''}
