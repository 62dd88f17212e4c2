-- Claims a signed request and spends what its call costs, in one deed; or does one of the two; or greets.
--
--   ARGV 1 'greet'                KEYS 1 marks
--   ARGV 1 'claim', 2 timestamp   KEYS 1 marks, 2 claim, then one for each bucket
--   ARGV 1 'spend'                KEYS one for each bucket
--   for each bucket, behind these: ARGV window, amount, exact (1 or 0), cost (1 or 0)
--
-- Answers what became of the claim ('' where there is none), then for each bucket: admitted, remaining, reset.
-- The one clock is the server's. The arithmetic of buckets is that of memory_windows.py, name by name.

-- A signature is good for 30 s on either side of its timestamp. Keep equal to KEPT_SECONDS of the port.
local KEPT = 60
-- So far ahead of this clock a claim may be signed; after a loss all up to there counts as forgotten.
local AHEAD = 32
-- What is stored outlives its time by this, so that no rounding makes it too short.
local GRACE_MS = 1000

local time = redis.call('TIME')
local seconds = tonumber(time[1])
local now = seconds + tonumber(time[2]) / 1000000

local function expiry_ms(left)
  return string.format('%d', math.ceil(left * 1000) + GRACE_MS)
end

-- Marks: `birth`, before which claims may have been lost; `life`, the server's start and replication history since
-- which none was; `looked`, the second at which that was looked at last; `latest`, the latest second at which a claim
-- may have run out.

local function info(name)
  return string.match(redis.call('INFO'), '\n' .. name .. ':(%S+)')
end

local function begin(marks)
  local life = info('run_id') .. ' ' .. info('master_replid')
  local stored = redis.call('HMGET', marks, 'life', 'latest')
  if stored[1] ~= life then
    -- Another server's claims ran by its clock, which may have been ahead of this one's.
    redis.call('HSET', marks, 'life', life, 'birth', math.max(seconds, tonumber(stored[2] or 0)))
  end
  redis.call('HSET', marks, 'looked', seconds)
end

local function claim(marks, key, timestamp)
  if redis.call('EXISTS', key) == 1 then return 'replayed' end
  -- A connection may live while its server becomes a replica and the primary again.
  if tonumber(redis.call('HGET', marks, 'looked') or 0) ~= seconds then begin(marks) end
  local stored = redis.call('HMGET', marks, 'birth', 'latest')
  local birth, latest = tonumber(stored[1]), tonumber(stored[2] or 0)
  if math.max(birth, latest) > seconds + AHEAD + KEPT then
    -- The clock was far ahead and is set right: nobody shall wait until it is there again.
    birth, latest = seconds, seconds
    redis.call('HSET', marks, 'birth', birth, 'latest', latest)
  end
  if latest < seconds then redis.call('HSET', marks, 'latest', seconds) end
  local lost = timestamp <= birth + AHEAD or timestamp > seconds + AHEAD
  local over = timestamp + KEPT < math.max(seconds, latest)
  if lost or over then return 'forgotten' end
  redis.call('SET', key, '', 'PX', expiry_ms(timestamp + KEPT - now))
  return 'claimed'
end

local Counter = {}

function Counter.keep(bucket)
  local text = string.format('%.6f %d %d', bucket.start, bucket.previous, bucket.current)
  redis.call('SET', bucket.key, text, 'PX', expiry_ms(bucket.start + 2 * bucket.window - now))
end

function Counter.read(bucket)
  bucket.start, bucket.previous, bucket.current = now, 0, 0
  local stored = redis.call('GET', bucket.key)
  if not stored then return end
  local start, previous, current = string.match(stored, '(%S+) (%S+) (%S+)')
  start, previous, current = tonumber(start), tonumber(previous), tonumber(current)
  local elapsed = now - start
  if elapsed < 0 then -- the clock was set back: the window begins anew, with what it holds
    bucket.previous, bucket.current = previous, current
    Counter.keep(bucket)
  elseif elapsed < bucket.window then
    bucket.start, bucket.previous, bucket.current = start, previous, current
  elseif elapsed < 2 * bucket.window then
    bucket.start, bucket.previous = start + bucket.window, current
  end
end

function Counter.take(bucket)
  bucket.current = bucket.current + 1
  Counter.keep(bucket)
end

function Counter.used(bucket)
  return bucket.current + math.floor(bucket.previous * (bucket.start + bucket.window - now) / bucket.window)
end

function Counter.passes_in(bucket)
  return bucket.start + bucket.window - now
end

function Counter.room_in(bucket)
  local window, amount = bucket.window, bucket.amount
  if bucket.current < amount then
    return bucket.start + window * (1 - (amount - bucket.current) / bucket.previous) - now
  end
  return bucket.start + window + window * (1 - amount / bucket.current) - now
end

-- A list of the moments of its calls, the oldest first; `gone` of them have left the window.
local Moments = {}

function Moments.at(bucket, index)
  return tonumber(redis.call('LINDEX', bucket.key, index))
end

-- How many of its moments lie at `limit` or before.
function Moments.until_(bucket, limit)
  local low, high = 0, bucket.size
  while low < high do
    local middle = math.floor((low + high) / 2)
    if Moments.at(bucket, middle) <= limit then low = middle + 1 else high = middle end
  end
  return low
end

function Moments.keep(bucket, count)
  for _ = 1, count do redis.call('RPUSH', bucket.key, string.format('%.6f', now)) end
  redis.call('PEXPIRE', bucket.key, expiry_ms(bucket.window))
end

function Moments.read(bucket)
  bucket.size, bucket.gone = redis.call('LLEN', bucket.key), 0
  if bucket.size == 0 then return end
  if Moments.at(bucket, -1) > now then -- the clock was set back: what lies ahead happens now
    local past = Moments.until_(bucket, now)
    redis.call('LTRIM', bucket.key, 0, past - 1)
    if past == 0 then redis.call('DEL', bucket.key) end
    Moments.keep(bucket, bucket.size - past)
  end
  if Moments.at(bucket, 0) + bucket.window <= now then bucket.gone = Moments.until_(bucket, now - bucket.window) end
end

function Moments.take(bucket)
  if bucket.gone > 0 then redis.call('LTRIM', bucket.key, bucket.gone, -1) end
  bucket.size, bucket.gone = bucket.size - bucket.gone + 1, 0
  Moments.keep(bucket, 1)
end

function Moments.used(bucket)
  return bucket.size - bucket.gone
end

function Moments.passes_in(bucket)
  local oldest = bucket.gone < bucket.size and Moments.at(bucket, bucket.gone) or now
  return oldest + bucket.window - now
end

function Moments.room_in(bucket)
  return Moments.at(bucket, bucket.size - bucket.amount) + bucket.window - now
end

local function spend(answer, first_key, first_argument)
  local buckets, all = {}, true
  for number = 1, #KEYS - first_key + 1 do
    local at = first_argument + 4 * (number - 1)
    local bucket = { key = KEYS[first_key + number - 1], window = tonumber(ARGV[at]), amount = tonumber(ARGV[at + 1]) }
    bucket.kind, bucket.costs = ARGV[at + 2] == '1' and Moments or Counter, ARGV[at + 3] == '1'
    bucket.kind.read(bucket)
    bucket.had_room = bucket.kind.used(bucket) < bucket.amount
    all = all and bucket.had_room
    buckets[number] = bucket
  end
  for _, bucket in ipairs(buckets) do
    if all and bucket.costs then bucket.kind.take(bucket) end
  end
  for _, bucket in ipairs(buckets) do
    local wait = bucket.had_room and bucket.kind.passes_in(bucket) or bucket.kind.room_in(bucket)
    answer[#answer + 1] = bucket.had_room and 1 or 0
    answer[#answer + 1] = math.max(0, bucket.amount - bucket.kind.used(bucket))
    answer[#answer + 1] = math.max(1, math.floor(wait) + 1)
  end
  return answer
end

if ARGV[1] == 'greet' then
  begin(KEYS[1])
  return info('maxmemory_policy')
elseif ARGV[1] == 'claim' then
  local outcome = claim(KEYS[1], KEYS[2], tonumber(ARGV[2]))
  if outcome ~= 'claimed' then return { outcome } end
  return spend({ outcome }, 3, 3)
end
return spend({ '' }, 1, 2)
