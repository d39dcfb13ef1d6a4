-- Values of templates, what a message may cost, and how values are compared and written.
--
-- Unknown is nil, null is NULL, texts, booleans and numbers are Lua's. A number that floating point does not hold, or
-- does not write, as it was written is {raw = text, number = value}. A list is {n = length, …}; a map is
-- {k = keys in their order, v = values by key}.

local byte, find, format, gsub, sub = string.byte, string.find, string.format, string.gsub, string.sub
local concat, floor, huge, abs = table.concat, math.floor, math.huge, math.abs
local setmetatable, tonumber, tostring, type, pcall, error, ipairs, pairs =
  setmetatable, tonumber, tostring, type, pcall, error, ipairs, pairs

local NULL = {null = true}
local UNKNOWN = {}  -- an unknown value in the place of nil in a scope: it is found there, and not looked for further out
local MAX_DEPTH = 64
local MAX_STEPS = 10000
local MAX_JSON_VALUES = 100000
local EXACT = 2 ^ 53

-- The message that is rendered: its handle, what is left of its limits, and what its templates read.
local S = {}

local function fail(text) error("transformation: " .. text, 0) end

-- Takes from what a message may cost: bytes that are read or written, and expressions, each as so many bytes.
local function charge(amount)
  local left = S.work - amount
  S.work = left
  if left < 0 then fail("the templates cost too much for one message") end
end

local function kind(value)
  local found = type(value)
  if found ~= "table" then return found end
  if value.n then return "list" end
  if value.k then return "map" end
  if value.raw then return "number" end
  return "null"
end

local function list(...) return {n = select("#", ...), ...} end

local function number(value)
  local found = type(value)
  if found == "number" then return value end
  if found == "boolean" then return value and 1 or 0 end
  if found == "table" and value.raw then return value.number end
  fail("a value is no number")
end

local function finite(value)
  if value ~= value or value == huge or value == -huge then fail("a number is out of range") end
  return value
end

local function write_number(value)
  finite(value)
  if floor(value) == value and abs(value) < EXACT then return format("%.0f", value == 0 and 0 or value) end
  local short = format("%.15g", value)
  if tonumber(short) == value then return short end
  local middle = format("%.16g", value)
  return tonumber(middle) == value and middle or format("%.17g", value)
end

local function truthy(value)
  if value == nil or value == false or value == "" or value == 0 then return false end
  if type(value) ~= "table" then return true end
  if value.n then return value.n > 0 end
  if value.k then return #value.k > 0 end
  return value.raw ~= nil and value.number ~= 0
end

local function numeric(value)
  local found = type(value)
  return found == "number" or found == "boolean" or (found == "table" and value.raw ~= nil)
end

local equal

local function equal_lists(a, b, depth)
  if a.n ~= b.n then return false end
  for i = 1, a.n do
    if not equal(a[i], b[i], depth) then return false end
  end
  return true
end

local function equal_maps(a, b, depth)
  if #a.k ~= #b.k then return false end
  for _, key in ipairs(a.k) do
    if b.v[key] == nil or not equal(a.v[key], b.v[key], depth) then return false end
  end
  return true
end

-- Texts that are equal are the same in Lua, and are compared at once, however long they are.
-- Unknown values and empty texts are equal: a header that is not there is empty.
equal = function(a, b, depth)
  depth = (depth or 0) + 1
  if depth > MAX_DEPTH then fail("a value is nested too deep") end
  charge(1)
  if a == nil then return b == nil or b == "" end
  if b == nil then return a == "" end
  if numeric(a) and numeric(b) then
    if type(a) == "table" and type(b) == "table" and a.raw == b.raw then return true end
    return number(a) == number(b)
  end
  local one, other = kind(a), kind(b)
  if one ~= other then return false end
  if one == "list" then return equal_lists(a, b, depth) end
  if one == "map" then return equal_maps(a, b, depth) end
  return a == b
end

local function less(a, b)
  if type(a) == "string" and type(b) == "string" then
    charge(#a + #b)
    return a < b
  end
  if numeric(a) and numeric(b) then return number(a) < number(b) end
  fail("values of different kinds have no order")
end
