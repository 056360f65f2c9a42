-- Forgets a session: number, binding and, unless it has requests in flight, its place among the active ones.
--
-- KEYS  1 sessions  2 live  3 session hash
-- ARGV  1 session
-- Returns 1 if anything was known of it
local known = call('DEL', KEYS[3])
local state = call('HGET', KEYS[2], 's:' .. ARGV[1])
if state then
  -- Its requests end by themselves.
  call('HSET', KEYS[2], 's:' .. ARGV[1], split(state)[1] .. ' 0')
  return 1
end
if call('ZSCORE', KEYS[1], ARGV[1]) then
  dropSession(KEYS[1], KEYS[2], ARGV[1])
  return 1
end
return known
