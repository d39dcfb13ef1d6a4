-- Finding places in JSON, of which nothing is built: what is left in stays byte for byte.

local BAD = {}  -- thrown, and compared by identity
local byte, find, match, sub, gsub, lower, concat, format = string.byte, string.find, string.match, string.sub,
  string.gsub, string.lower, table.concat, string.format

local function bad() error(BAD, 0) end

local function after_space(text, place) return match(text, "^[ \t\r\n]*()", place) end

-- The place behind a string that begins at `place`.
local function after_string(text, place)
  place = place + 1
  while true do
    local special = find(text, '["\\%z\1-\31]', place) or bad()
    local found = byte(text, special)
    if found == 34 then return special + 1 end
    if found ~= 92 then bad() end
    place = match(text, '^["\\/bfnrt]()', special + 1) or match(text, "^u%x%x%x%x()", special + 1) or bad()
  end
end

local after_value

-- The members of a map, or the items of a list, in their order, each with `from` and `to` (behind it), members with
-- their `key` as it is written; and the place behind.
local function members(text, place, depth)
  if depth > 100 then bad() end
  local is_map, made = byte(text, place) == 123, {}
  local last = is_map and 125 or 93
  place = after_space(text, place + 1)
  if byte(text, place) == last then return made, place + 1 end
  while true do
    local key
    if is_map then
      if byte(text, place) ~= 34 then bad() end
      local key_end = after_string(text, place)
      key = sub(text, place + 1, key_end - 2)
      place = after_space(text, key_end)
      if byte(text, place) ~= 58 then bad() end
      place = after_space(text, place + 1)
    end
    local stop = after_value(text, place, depth)
    made[#made + 1] = {key = key, from = place, to = stop}
    place = after_space(text, stop)
    local found = byte(text, place)
    if found == last then return made, place + 1 end
    if found ~= 44 then bad() end
    place = after_space(text, place + 1)
  end
end

after_value = function(text, place, depth)
  local first = byte(text, place)
  if first == 34 then return after_string(text, place) end
  if first == 123 or first == 91 then
    local _, stop = members(text, place, depth + 1)
    return stop
  end
  local word, stop = match(text, "^([-+.%w]+)()", place)
  if word == "true" or word == "false" or word == "null" then return stop end
  local rest = match(word or "", "^%-?0(.*)$") or match(word or "", "^%-?[1-9]%d*(.*)$") or bad()
  rest = match(rest, "^%.%d+(.*)$") or rest
  if rest ~= "" and not find(rest, "^[eE][-+]?%d+$") then bad() end
  return stop
end

-- The members of a text that is one map.
local function map_of(text)
  local start = after_space(text, 1)
  if byte(text, start) ~= 123 then bad() end
  local made, stop = members(text, start, 0)
  if after_space(text, stop) <= #text then bad() end
  return made
end

-- The text of a string without escapes but that of the slash; nil if a value is none.
local function plain(text, value)
  if byte(text, value.from) ~= 34 then return nil end
  local found = gsub(sub(text, value.from + 1, value.to - 2), "\\/", "/")
  return not find(found, "\\", 1, true) and found or nil
end

local function quoted(text)
  return '"' .. gsub(text, '[%z\1-\31"\\\127-\255]', function(found) return format("\\u%04x", byte(found)) end) .. '"'
end
