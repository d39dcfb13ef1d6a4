-- The functions, filters and tests of templates (`translator/languages/template_functions.py` has their names).

local F, TESTS = {}, {}
local getenv = os.getenv
local RANDOM = io.open("/dev/urandom", "rb")

-- A header of the message; a name may come of a request, and be none.
function F.header(name)
  name = string.lower(text_of(name))
  if #name > 256 or not find(name, "^:?[a-z0-9!#$%%&'*+.^_`|~-]+$") then return nil end
  local found = S.headers:get(name)  -- copied each time
  charge(found and #found + 8 or 8)
  return found
end

function F.request_header(name)
  if S.is_request then return F.header(name) end
  return S.saved[string.lower(name)]
end

function F.body() return S.body end

function F.context() return S.json end

local function request_path() return F.request_header(":path") or "" end

function F.path()
  local path = request_path()
  charge(#path)
  return (gsub(path, "%?.*$", ""))
end

function F.host() return F.request_header(":authority") end

function F.method() return F.request_header(":method") end

-- The first values by their names of the pairs in a text, which is read once a message.
local function pairs_of(text, pattern, read)
  charge(#text * 8)
  local made = {}
  for pair in string.gmatch(text, pattern) do
    local key, value = read(pair)
    if key and made[key] == nil then made[key] = value end
  end
  return made
end

local function read_cookie(pair)
  local key, place = string.match(pair, "^%s*([^=%s]+)%s*=()")
  if key then return key, trim(sub(pair, place)) end
end

function F.get_cookie(name)
  S.cookies = S.cookies or pairs_of(F.request_header("cookie") or "", "[^;]+", read_cookie)
  return S.cookies[name]
end

local function read_parameter(pair)
  local key, value = string.match(pair, "^([^=]*)=?(.*)$")
  return url_decode(key), url_decode(value)
end

function F.query(name)
  S.parameters = S.parameters or pairs_of(string.match(request_path(), "%?(.*)$") or "", "[^&]+", read_parameter)
  return S.parameters[name]
end

function F.route_name() return S.handle:streamInfo():routeName() end

function F.env(name) return getenv(name) end

function F.now() return floor(S.handle:timestamp() / 1000) end

-- A value of Envoy's metadata as one of templates.
local function of_metadata(value, depth)
  if depth > MAX_DEPTH then fail("a value is nested too deep") end
  charge(8)
  if type(value) ~= "table" then return value end
  if #value > 0 then
    local made = {n = #value}
    for i, each in ipairs(value) do made[i] = of_metadata(each, depth + 1) end
    return made
  end
  local keys, values = {}, {}
  for key, each in pairs(value) do
    key = tostring(key)
    keys[#keys + 1], values[key] = key, of_metadata(each, depth + 1)
  end
  table.sort(keys)
  return {k = keys, v = values}
end

function F.dynamic_metadata(key, namespace)
  namespace = text_of(namespace)
  local found = S.namespaces[namespace]
  if found == nil then
    found = S.handle:streamInfo():dynamicMetadata():get(namespace) or false  -- converted as a whole each time
    S.namespaces[namespace] = found
  end
  if type(found) ~= "table" then return nil end
  return of_metadata(found[text_of(key)], 0)
end

-- A function of one text, which costs as many bytes as it has, or several times that.
local function of_text(call, times)
  return function(value)
    local text = text_of(value)
    charge(#text * (times or 1))
    return call(text)
  end
end

F.upper, F.lower = of_text(string.upper), of_text(string.lower)
F.trim, F.string, F.raw_string, F.urlencode = of_text(trim), of_text(tostring), of_text(J.escape), of_text(url_encode, 4)
F.base64_encode = of_text(function(text) return encode(text, STANDARD, true) end, 2)
F.base64url_encode = of_text(function(text) return encode(text, URL, true) end, 2)

-- What is no base64, or of no text, is empty.
local function decoder(of)
  return of_text(function(text)
    local found = decode(text, of)
    return found and is_utf8(found) and found or ""
  end, 2)
end

F.base64_decode, F.base64url_decode = decoder(STANDARD), decoder(URL)

function F.tojson(value) return J.write(value) end

function F.default(value, instead, falsy)
  if value == nil or (truthy(falsy) and not truthy(value)) then return instead == nil and "" or instead end
  return value
end

function F.length(value)
  local of = kind(value)
  if of == "nil" then return 0 end
  if of == "list" then return value.n end
  if of == "map" then return #value.k end
  if of ~= "string" then fail("length has no text, list or map") end
  charge(#value)
  return characters(value)
end

-- The items of a value that a loop or function takes one by one: of a map its keys.
local function items_of(value)
  local of = kind(value)
  if of == "nil" then return {n = 0} end
  if of == "list" then return value end
  if of == "map" then
    local made = {n = #value.k}
    charge(made.n * 8)
    for i, key in ipairs(value.k) do made[i] = key end
    return made
  end
  if of ~= "string" then fail("a value is no list, map or text") end
  charge(#value * 8)
  local made, place, n = {}, 1, 0
  while place <= #value do
    local length = character(value, place)
    n = n + 1
    made[n] = sub(value, place, place + length - 1)
    place = place + length
  end
  made.n = n
  return made
end

function F.items(value)
  if value == nil then return {n = 0} end
  if kind(value) ~= "map" then fail("items has no map") end
  local made = {n = #value.k}
  charge(made.n * 8)
  for i, key in ipairs(value.k) do made[i] = list(key, value.v[key]) end
  return made
end

function F.first(value) return items_of(value)[1] end

function F.last(value)
  local found = items_of(value)
  return found[found.n]
end

function F.join(value, by)
  local found, made, size = items_of(value), {}, 0
  by = text_of(by)
  for i = 1, found.n do
    local text = text_of(found[i])
    charge(#text + #by + 8)
    made[i] = text
  end
  return concat(made, by)
end

function F.split(value, by) return split(text_of(value), by ~= nil and text_of(by) or nil) end

function F.replace_with_string(value, part, by) return replace(text_of(value), text_of(part), text_of(by)) end

function F.replace_with_random(value, part)
  local bytes = RANDOM and RANDOM:read(16)
  if not bytes then fail("there is no source of random values") end
  return replace(text_of(value), text_of(part), encode(bytes, STANDARD, false))
end

function F.substring(value, start, length)
  local text = text_of(value)
  charge(#text)
  start = floor(number(start))
  if start < 0 then return "" end
  length = length ~= nil and floor(number(length)) or nil
  return substring(text, start, length and length > 0 and length or nil)
end

local function as_number(value)
  if numeric(value) then return number(value) end
  local text = type(value) == "string" and #value <= 400 and trim(value) or ""
  charge(#text)
  -- In steps, since a pattern of all of it would try each way to share the digits.
  local _, last = find(text, "^[+-]?%d+")
  if not last then return nil end
  local _, fraction = find(text, "^%.%d*", last + 1)
  last = fraction or last
  if last == #text or find(text, "^[eE][+-]?%d+$", last + 1) then return tonumber(text) end
end

function F.int(value, instead)
  if type(value) == "table" and value.raw and not find(value.raw, "[.eE]") then return value end
  local found = as_number(value)
  if not found then return instead == nil and 0 or instead end
  finite(found)
  return found < 0 and -floor(-found) or floor(found)
end

function F.float(value, instead)
  return as_number(value) or (instead == nil and 0 or instead)
end

function TESTS.defined(value) return value ~= nil end
function TESTS.undefined(value) return value == nil end
function TESTS.none(value) return value == NULL end
function TESTS.string(value) return type(value) == "string" end
function TESTS.boolean(value) return type(value) == "boolean" end
function TESTS.number(value) return kind(value) == "number" end
function TESTS.mapping(value) return kind(value) == "map" end
function TESTS.even(value) return number(value) % 2 == 0 end
function TESTS.odd(value) return number(value) % 2 == 1 end
