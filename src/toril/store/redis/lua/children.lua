-- use: base, reading
-- The children of a job, some hundred at a time.
-- ARGV: now; id; where to go on: a part (1 at first) and the cursor of its scan (0).
-- Returns {{key, how it counts for the parent (completed, failed or ''), result or reason, name, state or '', number of
--   its own children, when it was added} each; the part where to go on, or '' at the end; the cursor}. A child that ends
--   meanwhile may be told of twice, the second time as it is by then.
local key, part, cursor = Q .. ARGV[2], tonumber(ARGV[3]), ARGV[4]
local MOST = 250 -- about 10 ms
local PARTS = { -- in the order in which a child passes through them
  {':dependencies', 'SSCAN', 1, ''}, {':processed', 'HSCAN', 2, 'completed'}, {':failed', 'HSCAN', 2, 'failed'},
  {':unsuccessful', 'ZSCAN', 2, 'failed'},
}
local found = {}

local function add(child, ended, value)
  local q, id = child:match('^(.*:)([^:]*)$')
  local job = look('HMGET', child, 'name', 'timestamp', 'failedReason')
  local state = job[1] and state_of(q, id) or ''
  local own = call('SCARD', child .. ':dependencies') + call('HLEN', child .. ':processed')
    + call('HLEN', child .. ':failed') + call('ZCARD', child .. ':unsuccessful')
  local name = job[1] or call('HGET', T .. 'names:' .. ARGV[2], child) or ''
  found[#found + 1] = {child, ended, value or job[3] or '', name, state, own, job[2] or '0'}
end

repeat
  local name, scan, width, ended = unpack(PARTS[part])
  local reply = call(scan, key .. name, cursor, 'COUNT', MOST)
  cursor = reply[1]
  for i = 1, #reply[2], width do
    add(reply[2][i], ended, scan == 'SSCAN' and '' or scan == 'HSCAN' and reply[2][i + 1] or nil)
  end
  if cursor == '0' then part = part + 1 end
until part > #PARTS or #found >= MOST
return {found, PARTS[part] and part or '', cursor}
