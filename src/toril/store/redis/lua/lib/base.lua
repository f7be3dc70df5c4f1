-- What every script stands on. KEYS: the queue's prefix (`bull:mail:`) and its private one (`bull::toril:mail:`);
-- all other keys are built from these, so that they share a slot if the names carry a hash tag.
-- ARGV[1]: now in epoch milliseconds; empty: the server's own time.
local Q, T = KEYS[1], KEYS[2]
local call = redis.call
local now, NOW, stamp -- NOW: as text, for Redis writes a number of Lua's slowly
if ARGV[1] == '' then
  local time = call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
  NOW = string.format('%.0f', now)
  stamp = '*'
else
  now, NOW = tonumber(ARGV[1]), ARGV[1]
  stamp = ARGV[1] .. '-*' -- of a clock that a test moves
end

-- JSON that somebody else may have written: nil if it cannot be read.
local function decoded(text)
  if not text then return nil end
  local fine, value = pcall(cjson.decode, text)
  if fine and type(value) == 'table' then return value end
  return nil
end

-- What Toril alone has to say of a job, within its options.
local function own_options(text)
  local own = (decoded(text) or {}).toril
  return type(own) == 'table' and own or {}
end

-- Fields of what ought to be a job: none of a key of another type, which only a stranger can have put there.
local function look(verb, key, ...)
  local found = redis.pcall(verb, key, ...)
  if type(found) == 'table' and found.err then return verb ~= 'HGET' and {} end
  return found
end

-- Call `verb` on `key` with any number of arguments: Lua's stack holds about 8,000.
local function in_parts(verb, key, arguments)
  for first = 1, #arguments, 4000 do
    call(verb, key, unpack(arguments, first, math.min(first + 3999, #arguments)))
  end
end
