-- Loads one cluster. KEYS: head, base, log. ARGV:
--   1 the maximum number of bytes   2 the maximum number of entries of the log
--   3… the names of the head's fields
-- Returns 'none' if there is no head; 'large' and the number of bytes or entries if a maximum is
-- exceeded; otherwise 'found', the values of the head's fields, its remaining time to live in ms,
-- the base, and the entries of the log. It writes nothing.
local max_bytes, max_entries = tonumber(ARGV[1]), tonumber(ARGV[2])
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then
  return {'none'}
end
local head, bytes = redis.call('HMGET', KEYS[1], unpack(ARGV, 3)), redis.call('STRLEN', KEYS[2])
for _, value in ipairs(head) do
  bytes = bytes + #(value or '')
end
if bytes > max_bytes then
  return {'large', bytes}
end
local log = redis.call('XRANGE', KEYS[3], '-', '+', 'COUNT', max_entries + 1)
if #log > max_entries then
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
return {'found', head, left, redis.call('GET', KEYS[2]), log}
