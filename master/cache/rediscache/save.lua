-- Saves one version of a cluster. KEYS: head, base, log, last term. ARGV:
--   1 term   2 seq
--   3 the MAC of the record before this one, '' if this one is a base
--   4 the record, '' if only times changed (never for a base)
--   5 ms until Redis removes it
--   6 the time of expiry in Unix ms by the writer's clock
--   7 a head to replace whatever its version, as 'mac:' and its MAC; '' if none
--   8 the channel of saves   9 the cluster   10 the ID of this master
--   11 and 12 the MAC and the record to announce instead of 3 and 4, '' if there are none
--   13 the value of the last term with the term   14 ms until Redis removes that
--   15 a value of the last term to replace whatever its term; '' if none
--   16… the fields of the head, each as name and value
-- Returns 'saved'; or 'base' if a base is needed; or 'older', with the remaining time
-- to live of the head in ms and its fields, if a newer version is stored; or 'superseded' and
-- the first bytes of the last term, if that is higher.
-- Announces what was saved on the channel: see save_message.go.
-- A key of the wrong type is replaced. The first command that writes is one that Redis rejects
-- when its memory is full, so that nothing is changed then.
local MAX_ANNOUNCED = 16384 -- bytes of a record
local head, base, log, last_term = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local term, seq, chain, record = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]

local function kind(key)
  return redis.call('TYPE', key).ok
end

local last = ''
if kind(last_term) == 'string' then
  last = redis.call('GETRANGE', last_term, 0, 255)
end
if (tonumber(string.match(last, '^%d+')) or 0) > term and last ~= ARGV[15] then
  return {'superseded', last}
end

local stored = {}
if kind(head) == 'hash' then
  stored = redis.call('HMGET', head, 'mac', 'term', 'seq', 'received', 'ttl', 'keep', 'chain', 'entries', 'baseBytes')
end
local function number(i)
  return tonumber(stored[i] or '') or 0
end

local left = redis.call('PTTL', head)
if stored[2] and left > number(6) and 'mac:' .. (stored[1] or '') ~= ARGV[7] then
  local t, s = number(2), number(3)
  local same = t == term and s == seq
  if t > term or (t == term and s > seq) or (same and number(4) + number(5) >= tonumber(ARGV[6])) then
    local names = {}
    for i = 16, #ARGV, 2 do
      names[#names + 1] = ARGV[i]
    end
    return {'older', left, redis.call('HMGET', head, unpack(names))}
  end
end

if chain == '' then
  redis.call('SET', base, record)
  redis.call('DEL', log, head)
else
  local complete = stored[7] == chain and kind(base) == 'string' and redis.call('STRLEN', base) == number(9)
    and (kind(log) == 'stream' or kind(log) == 'none') and redis.call('XLEN', log) == number(8)
  if not complete then
    return {'base'}
  end
  if record ~= '' then
    redis.call('XADD', log, '*', 'record', record)
  end
end

redis.call('HSET', head, unpack(ARGV, 16))
for i = 1, 3 do
  redis.call('PEXPIRE', KEYS[i], tonumber(ARGV[5]))
end
redis.call('SET', last_term, ARGV[13], 'PX', ARGV[14])

if ARGV[12] ~= '' then
  chain, record = ARGV[11], ARGV[12]
end
local parts = {ARGV[9], ARGV[10], chain, #record <= MAX_ANNOUNCED and record or '', ARGV[5]}
for i = 17, #ARGV, 2 do
  parts[#parts + 1] = ARGV[i]
end
for i, part in ipairs(parts) do
  parts[i] = struct.pack('>I4', #part) .. part
end
-- A user of Redis who may not publish can still save.
redis.pcall('PUBLISH', ARGV[8], table.concat(parts))
return {'saved'}
