-- Gives the next term. KEYS: the last one. ARGV: 1 the least that it may be (terms
-- go on growing where Redis lost its memory), 2 for how many ms to remember it.
local term = math.max(tonumber(redis.call('GET', KEYS[1]) or 0) + 1, tonumber(ARGV[1]))
local text = string.format('%.0f', term)
redis.call('SET', KEYS[1], text, 'PX', ARGV[2])
return text
