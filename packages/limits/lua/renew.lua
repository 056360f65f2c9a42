-- Keeps the holds of living requests. One that is gone (the server was emptied, or its lease ran out while the process
-- slept) is written again.
--
-- KEYS  1 holds  2 sessions  3 live
-- ARGV  1 now  2 leaseUntil  3… holds
-- Returns how many had to be written again
local holds, sessions, live = KEYS[1], KEYS[2], KEYS[3]
local now, leaseUntil = tonumber(ARGV[1]), tonumber(ARGV[2])
local again = 0
for at = 3, #ARGV do
  if call('ZSCORE', holds, ARGV[at]) then
    call('ZADD', holds, leaseUntil, ARGV[at])
    local session = split(ARGV[at])[4]
    if session then call('ZADD', sessions, 'GT', leaseUntil, session) end
  else
    takeHold(holds, sessions, live, ARGV[at], now, leaseUntil)
    again = again + 1
  end
end
for index = 1, 3 do call('PEXPIRE', KEYS[index], KEEP_IN_FLIGHT_MS) end
return again
