-- Takes the right to rebuild the numbers of a cold subject.
--
-- KEYS  1 spend
-- ARGV  1 signature wanted  2 token  3 now  4 claimUntil
-- Returns 'yours', 'busy' (another rebuilds them) or 'warm' (nothing to do)
local v = call('HMGET', KEYS[1], 'sig', 'until', 'claim', 'claimUntil')
local now = tonumber(ARGV[3])
local provisional = number(v[2])
if v[1] == ARGV[1] and (provisional == 0 or now <= provisional) then return 'warm' end
if v[3] and v[3] ~= ARGV[2] and number(v[4]) > now then return 'busy' end
-- From here on the subject is cold for everybody, so that what is spent meanwhile is kept as pending.
call('HDEL', KEYS[1], 'sig')
call('HSET', KEYS[1], 'claim', ARGV[2], 'claimUntil', ARGV[4])
call('PEXPIRE', KEYS[1], KEEP_SPEND_MS)
return 'yours'
