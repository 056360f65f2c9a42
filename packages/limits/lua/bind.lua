-- Binds a session to a provider.
--
-- KEYS  1 session hash
-- ARGV  1 absent | overwrite  2 provider  3 ttl ms
-- Returns the provider that it is bound to now
if ARGV[1] == 'absent' then
  call('HSETNX', KEYS[1], 'provider', ARGV[2])
else
  call('HSET', KEYS[1], 'provider', ARGV[2])
end
call('PEXPIRE', KEYS[1], ARGV[3])
return call('HGET', KEYS[1], 'provider')
