-- Sends the raw HTTP/1.1 requests of a file one after the other, so that no signature is sent twice.
-- REQUESTS names the file: records of a length, a line feed, and that many bytes. DELAY_MS is waited before each, and
-- OPENING_MS before the first of each of the CONNECTIONS, so that none is kept waiting by another that is accepted.
local requests, count, last = {}, 0, 0
local file = assert(io.open(os.getenv("REQUESTS"), "rb"))
while true do
  local length = file:read("*l")
  if not length then break end
  count = count + 1
  requests[count] = file:read(tonumber(length))
end
file:close()

request = function()
  last = last % count + 1
  return requests[last]
end

local wait = tonumber(os.getenv("DELAY_MS"))
local opening, unopened = tonumber(os.getenv("OPENING_MS")), tonumber(os.getenv("CONNECTIONS"))
if wait > 0 or opening > 0 then
  delay = function()
    if unopened == 0 then return wait end
    unopened = unopened - 1
    return math.max(opening, wait)
  end
end
