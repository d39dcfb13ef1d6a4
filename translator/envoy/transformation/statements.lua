-- Statements: nested lists become functions of a scope, which write what a template gives.

local O = {}  -- what the template that is rendered has written

local function emit(text)
  O[#O + 1] = text
  S.size = S.size + #text
  if S.size > S.limit then fail("a template gives more than maxBytes") end
end

local compile_block

local STATEMENTS = {}

STATEMENTS["o"] = function(node)
  local value = compile(node[2])
  return function(scope) emit(text_of(value(scope))) end
end

STATEMENTS["set"] = function(node)
  local name, value = node[2], compile(node[3])
  return function(scope)
    local found = value(scope)
    if found == nil then found = UNKNOWN end
    scope[name] = found
  end
end

STATEMENTS["if"] = function(node)
  local tests, blocks = {}, {}
  for i = 1, node[2].n do
    tests[i], blocks[i] = compile(node[2][i][1]), compile_block(node[2][i][2])
  end
  local rest = node[3] ~= NULL and compile_block(node[3])
  return function(scope)
    for i, test in ipairs(tests) do
      if truthy(test(scope)) then return blocks[i](scope) end
    end
    if rest then rest(scope) end
  end
end

local function step(nodes)
  S.steps = S.steps + 1
  if S.steps > MAX_STEPS then fail("loops have more than " .. MAX_STEPS .. " steps in one message") end
  charge(nodes * 8)
end

-- Sets the names of a loop to an item.
local function assign(scope, names, item)
  if names.n == 1 then
    scope[names[1]] = item
    return
  end
  if kind(item) ~= "list" or item.n ~= 2 then fail("a loop with two names has an item that is no pair") end
  scope[names[1]], scope[names[2]] = item[1], item[2]
end

local function loop_at(place, length)
  return {index = place, index0 = place - 1, revindex = length - place + 1, revindex0 = length - place,
    first = place == 1, last = place == length, length = length}
end

STATEMENTS["for"] = function(node)
  local names, iterable, nodes = node[2], compile(node[3]), node[7]
  local test = node[4] ~= NULL and compile(node[4])
  local body, rest = compile_block(node[5]), node[6] ~= NULL and compile_block(node[6])
  return function(outer)
    local meta = {__index = outer}
    local found = iterable(outer)
    found = names.n == 2 and kind(found) == "map" and F.items(found) or items_of(found)
    if test then
      local kept = {n = 0}
      for i = 1, found.n do
        step(nodes)
        local scope = setmetatable({}, meta)
        assign(scope, names, found[i])
        if truthy(test(scope)) then
          kept.n = kept.n + 1
          kept[kept.n] = found[i]
        end
      end
      found = kept
    end
    for i = 1, found.n do
      step(nodes)
      local scope = setmetatable({}, meta)
      assign(scope, names, found[i])
      scope["loop "] = loop_at(i, found.n)
      body(scope)
    end
    if found.n == 0 and rest then rest(outer) end
  end
end

compile_block = function(block)
  local made = {}
  for i = 1, block.n do
    local each = block[i]
    made[i] = type(each) == "string" and function() emit(each) end or STATEMENTS[each[1]](each)
  end
  if #made == 1 then return made[1] end
  return function(scope)
    for i = 1, #made do made[i](scope) end
  end
end

-- A function that gives the text of a template.
local function compile_template(block)
  if block.n == 0 then return function() return "" end end
  if block.n == 1 and type(block[1]) == "string" then
    local text = block[1]
    return function() return text end
  end
  local render = compile_block(block)
  return function()
    O, S.size = {}, 0
    render({})
    return concat(O)
  end
end
