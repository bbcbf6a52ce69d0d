-- Reads one cluster. KEYS: head, base, log. ARGV:
--   1 the MAC of the base that the reader has taken in already, or ''
--   2 the last entry of the log that it has taken in
--   3 how many bytes it takes at most   4 how many entries of the log
--   5… the fields of the head
-- Gives 'none' where there is nothing; 'large' and a number of bytes or entries where it
-- is too much; else 'found', the head's fields, the ms that it has left, whether the
-- reader has the base (1) or not (0), the base where it has not, and the entries of the
-- log that it lacks. It writes nothing.
local most = tonumber(ARGV[3])
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
local had = mac and mac == ARGV[1]
if not had then
  bytes = bytes + redis.call('STRLEN', KEYS[2])
end
if bytes > most then
  return {'large', bytes}
end
local from = '-'
if had and ARGV[2] ~= '' then
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
if bytes > most then
  return {'large', bytes}
end
if had then
  return {'found', head, left, 1, '', log}
end
return {'found', head, left, 0, redis.call('GET', KEYS[2]), log}
