-- Sets the last term of a cluster. KEYS: the last term. ARGV:
--   1 the term   2 the value with this term   3 ms until Redis removes it
--   4 a value to replace whatever its term; '' if none
-- Returns 'taken'; or 'superseded' and the first bytes of the value, if its term is not lower.
-- A value that does not begin with a number, and a key of the wrong type, are replaced.
local last = ''
if redis.call('TYPE', KEYS[1]).ok == 'string' then
  last = redis.call('GETRANGE', KEYS[1], 0, 255)
end
if (tonumber(string.match(last, '^%d+')) or 0) >= tonumber(ARGV[1]) and last ~= ARGV[4] then
  return {'superseded', last}
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return {'taken'}
