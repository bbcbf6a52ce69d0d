-- Keeps one update of a cluster. KEYS: head, base, log. ARGV:
--   1 term   2 seq
--   3 the chain that the record goes on from, or '' where it is a whole base
--   4 the record; '' behind a chain: nothing but times changed
--   5 ms until it expires   6 ms for which to keep it after that
--   7 when it expires, in Unix ms of the writer
--   8 a head that may be replaced whatever it says, as 'mac:' and its MAC; '': none
--   9 channel to tell   10 what to tell
--   11… the fields of the head, name by value
-- Gives what was done: 'kept'; 'base', where a whole base is needed; 'older', with the
-- ms that the head has left and its fields, where what is kept is newer.
-- A key of another type than it should have is replaced. The first command that writes
-- is one that Redis refuses when its memory is full.
local head, base, log = KEYS[1], KEYS[2], KEYS[3]
local term, seq, chain, record = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

local function kind(key)
  return redis.call('TYPE', key).ok
end

local held = {}
if kind(head) == 'hash' then
  held = redis.call('HMGET', head, 'mac', 'term', 'seq', 'received', 'ttl', 'keep', 'chain', 'entries', 'baseBytes')
end
local function number(i)
  return tonumber(held[i] or '') or 0
end

local left = redis.call('PTTL', head)
if held[2] and left > number(6) and 'mac:' .. (held[1] or '') ~= ARGV[8] then
  local t, s = number(2), number(3)
  local same = t == term and s == seq
  if t > term or (t == term and s > seq) or (same and number(4) + number(5) >= tonumber(ARGV[7])) then
    local names = {}
    for i = 11, #ARGV, 2 do
      names[#names + 1] = ARGV[i]
    end
    return {'older', left, redis.call('HMGET', head, unpack(names))}
  end
end

if chain == '' then
  redis.call('SET', base, record)
  redis.call('DEL', log, head)
else
  local whole = held[7] == chain and kind(base) == 'string' and redis.call('STRLEN', base) == number(9)
    and (kind(log) == 'stream' or kind(log) == 'none') and redis.call('XLEN', log) == number(8)
  if not whole then
    return {'base'}
  end
  if record ~= '' then
    redis.call('XADD', log, '*', 'record', record)
  end
end

redis.call('HSET', head, unpack(ARGV, 11))
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, tonumber(ARGV[5]) + tonumber(ARGV[6]))
end
redis.call('PUBLISH', ARGV[9], ARGV[10])
return {'kept'}
