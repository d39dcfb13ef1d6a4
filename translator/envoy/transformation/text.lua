-- Texts: UTF-8, base64, percent encoding.

-- The length of the character of UTF-8 that begins at a place; 1 and false for a byte that is none.
local function character(text, place)
  local first = byte(text, place)
  if first < 0x80 then return 1, true end
  local second = byte(text, place + 1) or 0
  if first < 0xC2 or first > 0xF4 or second < 0x80 or second > 0xBF then return 1, false end
  if first < 0xE0 then return 2, true end
  local third = byte(text, place + 2) or 0
  if third < 0x80 or third > 0xBF then return 1, false end
  if first < 0xF0 then
    -- Longer than it has to be, or half of a surrogate pair.
    if (first == 0xE0 and second < 0xA0) or (first == 0xED and second > 0x9F) then return 1, false end
    return 3, true
  end
  local fourth = byte(text, place + 3) or 0
  if fourth < 0x80 or fourth > 0xBF then return 1, false end
  if (first == 0xF0 and second < 0x90) or (first == 0xF4 and second > 0x8F) then return 1, false end
  return 4, true
end

local function is_ascii(text) return not find(text, "[\128-\255]") end

local function is_utf8(text)
  local place = find(text, "[\128-\255]")
  while place do
    local length, valid = character(text, place)
    if not valid then return false end
    place = find(text, "[\128-\255]", place + length)
  end
  return true
end

-- Replaces each byte that is no UTF-8 by U+FFFD.
local function scrub(text)
  if is_utf8(text) then return text end
  local made, place, size = {}, 1, #text
  while place <= size do
    local length, valid = character(text, place)
    made[#made + 1] = valid and sub(text, place, place + length - 1) or "\239\191\189"
    place = place + length
  end
  return concat(made)
end

local function characters(text)
  if is_ascii(text) then return #text end
  local count, place, size = 0, 1, #text
  while place <= size do
    count = count + 1
    place = place + character(text, place)
  end
  return count
end

-- The characters of a text from one on, counted from 0; all that follow it without a length.
local function substring(text, start, length)
  if is_ascii(text) then
    return length and sub(text, start + 1, start + length) or sub(text, start + 1)
  end
  local place, size, count = 1, #text, 0
  while place <= size and count < start do
    place = place + character(text, place)
    count = count + 1
  end
  if not length then return sub(text, place) end
  local last = place
  while last <= size and count < start + length do
    last = last + character(text, last)
    count = count + 1
  end
  return sub(text, place, last - 1)
end

local ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

local function alphabet(last)
  local digits, values = {}, {}
  for i = 1, 64 do
    local digit = sub(ALPHABET .. last, i, i)
    digits[i - 1], values[byte(digit)] = digit, i - 1
  end
  return {digits = digits, values = values}
end

local STANDARD, URL = alphabet("+/"), alphabet("-_")

local function encode(text, of, padded)
  local digits, made = of.digits, {}
  for i = 1, #text, 3 do
    local a, b, c = byte(text, i, i + 2)
    local whole = a * 65536 + (b or 0) * 256 + (c or 0)
    local third = b and digits[floor(whole / 64) % 64] or (padded and "=" or "")
    local fourth = c and digits[whole % 64] or (padded and "=" or "")
    made[#made + 1] = digits[floor(whole / 262144)] .. digits[floor(whole / 4096) % 64] .. third .. fourth
  end
  return concat(made)
end

-- The bytes of base64, with or without the padding; nil if it is none.
local function decode(text, of)
  local padding = #text + 1
  while byte(text, padding - 1) == 61 do padding = padding - 1 end  -- as a pattern it would look at each run of them anew
  if padding <= #text and #text % 4 ~= 0 then return nil end
  if #text - padding + 1 > 2 then return nil end
  local values, made, size = of.values, {}, padding - 1
  if size % 4 == 1 then return nil end
  for i = 1, size, 4 do
    local a, b, c, d = byte(text, i, i + 3)
    if i + 2 > size then c, d = nil, nil elseif i + 3 > size then d = nil end
    local first, second, third, fourth = values[a], values[b], c and values[c], d and values[d]
    if not first or not second or (c and not third) or (d and not fourth) then return nil end
    local whole = first * 262144 + second * 4096 + (third or 0) * 64 + (fourth or 0)
    local one, two, three = floor(whole / 65536), floor(whole / 256) % 256, whole % 256
    made[#made + 1] = d and string.char(one, two, three) or c and string.char(one, two) or string.char(one)
  end
  return concat(made)
end

local function percent(found) return format("%%%02X", byte(found)) end

local function url_encode(text) return (gsub(text, "[^A-Za-z0-9_.~/%-]", percent)) end

local function url_decode(text)
  text = gsub(text, "%+", " ")
  return (gsub(text, "%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

local function trim(text)
  local first = find(text, "%S")
  if not first then return "" end
  local last = #text
  local final = byte(text, last)
  while final == 32 or (final > 8 and final < 14) do
    last = last - 1
    final = byte(text, last)
  end
  return sub(text, first, last)
end

local MAX_SEARCHED = 64

-- Where a text is in another from a place on, plain, without patterns. Its callers pay for the length of the whole. A search
-- in Lua compares the part anew at each place: no more than the beginning of a long one is searched, and each place where that
-- is found costs what comparing the rest does.
local function find_part(text, part, place)
  local size = #part
  if size <= MAX_SEARCHED then return find(text, part, place, true) end
  local start = sub(part, 1, MAX_SEARCHED)
  local last = #text - size + 1
  while place <= last do
    local from = find(text, start, place, true)
    if not from or from > last then return nil end
    charge(size)
    if sub(text, from, from + size - 1) == part then return from, from + size - 1 end
    place = from + 1
  end
end

-- How often a text is in another.
local function occurrences(text, part)
  local count, place = 0, 1
  while true do
    local from, to = find_part(text, part, place)
    if not from then return count end
    count, place = count + 1, to + 1
  end
end

local function replace(text, part, by)
  if part == "" then return text end
  charge(#text)
  local count = occurrences(text, part)
  if count == 0 then return text end
  charge(#text + count * #by)
  local made, place = {}, 1
  while true do
    local from, to = find_part(text, part, place)
    if not from then break end
    made[#made + 1] = sub(text, place, from - 1)
    made[#made + 1] = by
    place = to + 1
  end
  made[#made + 1] = sub(text, place)
  return concat(made)
end

local function split(text, by)
  charge(#text * 8)
  local made = {n = 0}
  local function add(part)
    made.n = made.n + 1
    made[made.n] = part
  end
  if by == nil then
    for part in string.gmatch(text, "%S+") do add(part) end
    return made
  end
  if by == "" then fail("split has nothing to split at") end
  local place = 1
  while true do
    local from, to = find_part(text, by, place)
    if not from then break end
    add(sub(text, place, from - 1))
    place = to + 1
  end
  add(sub(text, place))
  return made
end
