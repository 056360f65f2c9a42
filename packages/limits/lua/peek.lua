-- The numbers of a slot, without taking anything.
--
-- KEYS  1 holds  2 sessions  3 live  4 rpm  5… spend of each subject
-- ARGV  1 now  2 low5  3 lowDay  4 weekStart  5 monthStart  then 3 per subject: tag, signature, dayStart
-- Returns {requests of the last 60 s, then per subject: sessions, held, then as `report`}
local holds, sessions, live, rpm = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = tonumber(ARGV[1])
local position = { now, tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]) }
expire(holds, sessions, live, now)
local answer = { call('ZCOUNT', rpm, '(' .. text(now - 60000), '+inf') }
for at = 6, #ARGV, 3 do
  local active = activeSessions(sessions, live, ARGV[at], now)
  local held = number(call('HGET', live, 'h:' .. ARGV[at]))
  answer[#answer + 1] = active
  answer[#answer + 1] = text(held)
  report(answer, (standing(KEYS[4 + (at - 3) / 3], position, tonumber(ARGV[at + 2]), ARGV[at + 1])))
end
return answer
