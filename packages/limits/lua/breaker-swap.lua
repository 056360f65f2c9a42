-- Replaces a breaker's record if it is still the one that the new one was computed from, and tells all nodes.
--
-- KEYS  1 breaker hash: version, record (JSON)
-- ARGV  1 version expected ('0' = none)  2 new record  3 ttl ms  4 channel  5 provider  6 writer
-- Returns {1, new version} or {0, version, record} as they are ('0', '' = none)
local v = redis.call('HMGET', KEYS[1], 'version', 'record')
local version = v[1] or '0'
if version ~= ARGV[1] then return { 0, version, v[2] or '' } end
-- Server time in µs: grows across a loss of memory, so that nobody takes an older record for a newer one.
local time = redis.call('TIME')
local new = string.format('%.0f', math.max(tonumber(version) + 1, time[1] * 1000000 + time[2]))
redis.call('HSET', KEYS[1], 'version', new, 'record', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5] .. ' ' .. new .. ' ' .. ARGV[6] .. ' ' .. ARGV[2])
return { 1, new }
