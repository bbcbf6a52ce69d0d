-- Loads one cluster. KEYS: head, base, log. ARGV:
--   1 the MAC of the base that the reader has applied, '' if none
--   2 the ID of the last entry of the log that it has applied
--   3 the maximum number of bytes   4 the maximum number of entries of the log
--   5… the names of the head's fields
-- Returns 'none' if there is no head; 'large' and the number of bytes or entries if a maximum is
-- exceeded; otherwise 'found', the values of the head's fields, its remaining time to live in ms,
-- 1 if the reader has the base and else 0, the base unless the reader has it, and the entries of
-- the log after the last applied one. It writes nothing.
local max_bytes = tonumber(ARGV[3])
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then
  return {'none'}
end
local head, bytes, mac = redis.call('HMGET', KEYS[1], unpack(ARGV, 5)), 0, false
for i, value in ipairs(head) do
  bytes = bytes + #(value or '')
  if ARGV[4 + i] == 'base' then
    mac = value
  end
end
local has_base = mac and mac == ARGV[1]
if not has_base then
  bytes = bytes + redis.call('STRLEN', KEYS[2])
end
if bytes > max_bytes then
  return {'large', bytes}
end
local from = '-'
if has_base and ARGV[2] ~= '' then
  from = '(' .. ARGV[2]
end
local log = redis.call('XRANGE', KEYS[3], from, '+', 'COUNT', tonumber(ARGV[4]) + 1)
if #log > tonumber(ARGV[4]) then
  return {'large', #log}
end
for _, entry in ipairs(log) do
  for _, value in ipairs(entry[2]) do
    bytes = bytes + #value
  end
end
if bytes > max_bytes then
  return {'large', bytes}
end
if has_base then
  return {'found', head, left, 1, '', log}
end
return {'found', head, left, 0, redis.call('GET', KEYS[2]), log}
