-- JSON (RFC 8259): strict, of bounded depth and number of values; the last of equal keys counts, and `J.repeated` says
-- whether there were any.

local J = {}
local values_left, deepest, has_escapes, has_controls  -- of the text that is read

local ESCAPED = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\", ["/"] = "/"}
local BAD_JSON, LARGE_JSON = {}, {}  -- thrown, and compared by identity

local function bad() error(BAD_JSON, 0) end

local function utf8_of(code)
  local char = string.char
  if code < 0x80 then return char(code) end
  if code < 0x800 then return char(0xC0 + floor(code / 64), 0x80 + code % 64) end
  if code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64, 0x80 + floor(code / 64) % 64,
    0x80 + code % 64)
end

local function hexadecimal(text, place)
  local digits = string.match(text, "^%x%x%x%x", place)
  if not digits then bad() end
  return tonumber(digits, 16)
end

-- Half of a surrogate pair is no character: U+FFFD.
local function code_point(text, place)
  local code = hexadecimal(text, place)
  place = place + 4
  if code >= 0xD800 and code < 0xDC00 and sub(text, place, place + 1) == "\\u" then
    local low = hexadecimal(text, place + 2)
    if low >= 0xDC00 and low < 0xE000 then
      return 0x10000 + (code - 0xD800) * 1024 + (low - 0xDC00), place + 6
    end
  end
  if code >= 0xD800 and code < 0xE000 then code = 0xFFFD end
  return code, place
end

-- The next byte that is no white space, and its place; `string.find` with a pattern would not be compiled.
local function next_byte(text, place)
  local found = byte(text, place)
  while found == 32 or found == 10 or found == 13 or found == 9 do
    place = place + 1
    found = byte(text, place)
  end
  return found, place
end

local function read_string(text, place)
  if not has_escapes then
    local last = find(text, '"', place, true) or bad()
    local found = sub(text, place, last - 1)
    if has_controls and find(found, "[%z\1-\31]") then bad() end
    return found, last + 1
  end
  local special = find(text, '[%z\1-\31"\\]', place)
  if special and byte(text, special) == 34 then return sub(text, place, special - 1), special + 1 end
  local made = {}
  while special do
    made[#made + 1] = sub(text, place, special - 1)
    local found = byte(text, special)
    if found == 34 then return concat(made), special + 1 end
    if found ~= 92 then bad() end
    local letter = sub(text, special + 1, special + 1)
    if letter == "u" then
      local code
      code, place = code_point(text, special + 2)
      made[#made + 1] = utf8_of(code)
    else
      made[#made + 1] = ESCAPED[letter] or bad()
      place = special + 2
    end
    special = find(text, '[%z\1-\31"\\]', place)
  end
  bad()
end

local function read_number(text, place)
  local first, after = byte(text, place), place
  if first and first > 48 and first < 58 then  -- a whole number of few digits, most often
    local value, digit = 0, first
    while digit and digit > 47 and digit < 58 do
      value = value * 10 + digit - 48
      after = after + 1
      digit = byte(text, after)
    end
    if after - place <= 15 and digit ~= 46 and digit ~= 101 and digit ~= 69 then return value, after end
  end
  local _, last = find(text, "^-?%d+", place)
  if not last or find(text, "^-?0%d", place) then bad() end
  local whole = last
  local _, fraction = find(text, "^%.%d+", last + 1)
  last = fraction or last
  local _, exponent = find(text, "^[eE][+-]?%d+", last + 1)
  last = exponent or last
  local raw = sub(text, place, last)
  if last == whole and #raw <= 15 then return tonumber(raw), last + 1 end
  return {raw = raw, number = tonumber(raw)}, last + 1
end

local read_value

local function read_list(text, place, depth)
  local made, n, after = {n = 0}, 0, nil
  after, place = next_byte(text, place)
  if after == 93 then return made, place + 1 end
  while true do
    n = n + 1
    made[n], place = read_value(text, place, depth)
    after, place = next_byte(text, place)
    place = place + 1
    if after == 93 then
      made.n = n
      return made, place
    end
    if after ~= 44 then bad() end
  end
end

local function read_map(text, place, depth)
  local keys, values, n, after = {}, {}, 0, nil
  after, place = next_byte(text, place)
  if after == 125 then return {k = keys, v = values}, place + 1 end
  while true do
    if after ~= 34 then bad() end
    local key
    key, place = read_string(text, place + 1)
    after, place = next_byte(text, place)
    if after ~= 58 then bad() end
    if values[key] == nil then
      n = n + 1
      keys[n] = key
    else
      J.repeated = true
    end
    values[key], place = read_value(text, place + 1, depth)
    after, place = next_byte(text, place)
    if after == 125 then return {k = keys, v = values}, place + 1 end
    if after ~= 44 then bad() end
    after, place = next_byte(text, place + 1)
  end
end

local WORDS = {[116] = {"true", true}, [102] = {"false", false}, [110] = {"null", NULL}}

read_value = function(text, place, depth)
  values_left = values_left - 1
  if values_left < 0 then error(LARGE_JSON, 0) end
  local first
  first, place = next_byte(text, place)
  if first == 34 then return read_string(text, place + 1) end
  if (first == 123 or first == 91) and depth >= deepest then error(LARGE_JSON, 0) end
  if first == 123 then return read_map(text, place + 1, depth + 1) end
  if first == 91 then return read_list(text, place + 1, depth + 1) end
  local word = WORDS[first]
  if not word then return read_number(text, place) end
  local last = place + #word[1]
  if sub(text, place, last - 1) ~= word[1] then bad() end
  return word[2], last
end

-- The value of a text; BAD_JSON or LARGE_JSON is thrown if there is none, or it has too many parts.
function J.read(text, values, depth)
  if not is_utf8(text) then bad() end
  J.repeated = false
  values_left, deepest = values or MAX_JSON_VALUES, depth or MAX_DEPTH
  has_escapes, has_controls = find(text, "\\", 1, true) ~= nil, find(text, "[%z\1-\31]") ~= nil
  local value, place = read_value(text, 1, 0)
  if next_byte(text, place) then bad() end
  return value
end

local SHORT = {['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r",
  ["\t"] = "\\t"}

local function escape_character(found) return SHORT[found] or format("\\u%04x", byte(found)) end

function J.escape(text)
  charge(#text)
  if not find(text, '[%z\1-\31"\\\128-\255]') then return text end
  charge(#text * 3)
  return (gsub(scrub(text), '[%z\1-\31"\\]', escape_character))
end

local write

local function write_list(value, made, depth)
  made[#made + 1] = "["
  for i = 1, value.n do
    if i > 1 then made[#made + 1] = "," end
    write(value[i], made, depth)
  end
  made[#made + 1] = "]"
end

local function write_map(value, made, depth)
  made[#made + 1] = "{"
  for i, key in ipairs(value.k) do
    made[#made + 1] = (i > 1 and ',"' or '"') .. J.escape(key) .. '":'
    write(value.v[key], made, depth)
  end
  made[#made + 1] = "}"
end

write = function(value, made, depth)
  if depth > MAX_DEPTH then fail("a value is nested too deep") end
  charge(8)
  local of = kind(value)
  if of == "list" then return write_list(value, made, depth + 1) end
  if of == "map" then return write_map(value, made, depth + 1) end
  local text = "null"
  if of == "string" then
    text = '"' .. J.escape(value) .. '"'
  elseif of == "boolean" then
    text = tostring(value)
  elseif of == "number" then
    text = type(value) == "table" and value.raw or write_number(value)
  end
  made[#made + 1] = text
end

function J.write(value)
  local made = {}
  write(value, made, 0)
  local text = concat(made)
  charge(#text)
  return text
end

-- The text of a value as templates write it: lists and maps as JSON, unknown values and null as nothing.
local function text_of(value)
  if type(value) == "string" then return value end
  if value == nil or value == NULL then return "" end
  if type(value) == "number" then return write_number(value) end
  if type(value) == "boolean" then return tostring(value) end
  return value.raw or J.write(value)
end
