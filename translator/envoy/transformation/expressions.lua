-- Expressions: nested lists become functions of a scope, which give values.

local compile  -- an expression

local function compile_all(node, from)
  local made = {}
  for i = from, node.n do made[i - from + 1] = compile(node[i]) end
  return made
end

-- A character of a text, or an item counted from the end of a list.
local function member(object, key)
  local of = kind(object)
  if (of ~= "list" and of ~= "string") or not numeric(key) then return nil end
  key = number(key)
  if floor(key) ~= key then return nil end
  if of == "string" then object = items_of(object) end
  if key < 0 then key = object.n + key end
  if key >= 0 then return object[key + 1] end
end

local function get(object, key)
  if type(object) == "table" and object.k and type(key) == "string" then return object.v[key] end
  if type(object) == "table" and object.n and type(key) == "number" and key >= 0 then return object[key + 1] end
  return member(object, key)
end

local function contains(item, whole)
  local of = kind(whole)
  if of == "nil" then return false end
  if of == "map" then return type(item) == "string" and whole.v[item] ~= nil end
  if of == "list" then
    for i = 1, whole.n do
      if equal(item, whole[i]) then return true end
    end
    return false
  end
  if of ~= "string" then fail("'in' has no text, list or map behind it") end
  if item == nil then return false end
  if type(item) ~= "string" then fail("a value of another kind cannot be in a text") end
  charge(#whole)
  return find_part(whole, item, 1) ~= nil
end

local function divide(a, b, by)
  if b == 0 then fail("a number is divided by zero") end
  return by(a, b)
end

local OPERATORS = {
  ["+"] = function(a, b)
    if type(a) == "string" and type(b) == "string" then
      charge(#a + #b)
      return a .. b
    end
    return finite(number(a) + number(b))
  end,
  ["-"] = function(a, b) return finite(number(a) - number(b)) end,
  ["*"] = function(a, b) return finite(number(a) * number(b)) end,
  ["/"] = function(a, b) return finite(divide(number(a), number(b), function(x, y) return x / y end)) end,
  ["//"] = function(a, b) return finite(divide(number(a), number(b), function(x, y) return floor(x / y) end)) end,
  ["%"] = function(a, b) return finite(divide(number(a), number(b), function(x, y) return x % y end)) end,
}

local COMPARISONS = {
  ["=="] = function(a, b) return equal(a, b) end,
  ["!="] = function(a, b) return not equal(a, b) end,
  ["<"] = less,
  [">"] = function(a, b) return less(b, a) end,
  ["<="] = function(a, b) return not less(b, a) end,
  [">="] = function(a, b) return not less(a, b) end,
  ["in"] = contains,
  ["not in"] = function(a, b) return not contains(a, b) end,
}

local EXPRESSIONS = {}

EXPRESSIONS["c"] = function(node)
  local value = node[2]
  return function() return value end
end

EXPRESSIONS["n"] = function(node)
  local value = {raw = node[2], number = tonumber(node[2])}
  return function() return value end
end

EXPRESSIONS["v"] = function(node)
  local name = node[2]
  return function(scope)
    local value = scope[name]
    if value == nil then return S.variables[name] end
    if value == UNKNOWN then return nil end
    return value
  end
end

EXPRESSIONS["loop"] = function(node)
  local field = node[2]
  return function(scope) return scope["loop "][field] end
end

EXPRESSIONS["a"] = function(node)
  local object, key = compile(node[2]), compile(node[3])
  return function(scope) return get(object(scope), key(scope)) end
end

EXPRESSIONS["f"] = function(node)
  local call, a, b, c = F[node[2]], node[3], node[4], node[5]
  a, b, c = a and compile(a), b and compile(b), c and compile(c)
  if c then return function(scope) return call(a(scope), b(scope), c(scope)) end end
  if b then return function(scope) return call(a(scope), b(scope)) end end
  if a then return function(scope) return call((a(scope))) end end
  return function() return call() end
end

EXPRESSIONS["is"] = function(node)
  local test, value = TESTS[node[2]], compile(node[3])
  return function(scope) return test((value(scope))) end
end

EXPRESSIONS["not"] = function(node)
  local value = compile(node[2])
  return function(scope) return not truthy(value(scope)) end
end

EXPRESSIONS["and"] = function(node)
  local one, other = compile(node[2]), compile(node[3])
  return function(scope)
    local found = one(scope)
    if truthy(found) then return other(scope) end
    return found
  end
end

EXPRESSIONS["or"] = function(node)
  local one, other = compile(node[2]), compile(node[3])
  return function(scope)
    local found = one(scope)
    if truthy(found) then return found end
    return other(scope)
  end
end

EXPRESSIONS["cmp"] = function(node)
  local first, tests, values = compile(node[2]), {}, {}
  for i = 3, node.n, 2 do
    tests[#tests + 1], values[#values + 1] = COMPARISONS[node[i]], compile(node[i + 1])
  end
  return function(scope)
    local left = first(scope)
    for i, test in ipairs(tests) do
      local right = values[i](scope)
      if not test(left, right) then return false end
      left = right
    end
    return true
  end
end

for name, operate in pairs(OPERATORS) do
  EXPRESSIONS[name] = function(node)
    local one, other = compile(node[2]), compile(node[3])
    return function(scope)
      local a = one(scope)
      return operate(a, other(scope))
    end
  end
end

EXPRESSIONS["neg"] = function(node)
  local value = compile(node[2])
  return function(scope) return -number(value(scope)) end
end

EXPRESSIONS["pos"] = function(node)
  local value = compile(node[2])
  return function(scope) return number(value(scope)) end
end

EXPRESSIONS["~"] = function(node)
  local parts = compile_all(node, 2)
  return function(scope)
    local made = {}
    for i, part in ipairs(parts) do
      made[i] = text_of(part(scope))
      charge(#made[i])
    end
    return concat(made)
  end
end

EXPRESSIONS["if"] = function(node)
  local test, one = compile(node[2]), compile(node[3])
  local other = node[4] ~= NULL and compile(node[4]) or function() return nil end
  return function(scope)
    if truthy(test(scope)) then return one(scope) end
    return other(scope)
  end
end

EXPRESSIONS["list"] = function(node)
  local parts = compile_all(node, 2)
  return function(scope)
    local made = {n = #parts}
    for i, part in ipairs(parts) do
      local value = part(scope)
      if value == nil then value = NULL end
      made[i] = value
    end
    return made
  end
end

EXPRESSIONS["map"] = function(node)
  local parts = compile_all(node, 2)
  return function(scope)
    local keys, values = {}, {}
    for i = 1, #parts, 2 do
      local key, value = parts[i](scope), parts[i + 1](scope)
      if type(key) ~= "string" then fail("the key of a map is no text") end
      if values[key] == nil then keys[#keys + 1] = key end
      if value == nil then value = NULL end
      values[key] = value
    end
    return {k = keys, v = values}
  end
end

compile = function(node) return EXPRESSIONS[node[1]](node) end
