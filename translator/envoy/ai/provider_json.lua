-- JSON of requests to providers: what is to be changed is found by its place, and nothing else is touched.

local byte, find, sub, lower, concat = string.byte, string.find, string.sub, string.lower, table.concat

local BAD = {}  -- thrown, and compared by identity
local COUNTED = {["chat/completions"] = true, completions = true}

local function set_of(text)
  local made = {}
  for name in text:gmatch("%S+") do made[name] = true end
  return made
end

local ROLES = set_of("system developer user assistant")

local function quoted(text)
  return '"' .. text:gsub('[%z\1-\31"\\]', function(found) return ("\\u%04x"):format(byte(found)) end) .. '"'
end

-- All take the place of a first byte, and return that after.

local function bad() error(BAD, 0) end

local function after_blanks(text, place) return (find(text, "[^ \t\r\n]", place)) or bad() end

local function after_string(text, place)
  if byte(text, place) ~= 34 then bad() end
  local at = place + 1
  while true do
    local found = find(text, '["\\]', at) or bad()
    if byte(text, found) == 34 then return found + 1 end
    at = found + 2
  end
end

local function after_value(text, place)
  local first = byte(text, place)
  if first == 34 then return after_string(text, place) end
  if first ~= 123 and first ~= 91 then
    local _, last = find(text, "^[-+.%w]+", place)
    return (last or bad()) + 1
  end
  local open, depth, at = {}, 0, place
  repeat
    local found = find(text, '["{}%[%]]', at) or bad()
    local sign = byte(text, found)
    if sign == 34 then
      at = after_string(text, found)
    elseif sign == 123 or sign == 91 then
      depth = depth + 1
      open[depth] = sign + 2
      at = found + 1
    else
      if open[depth] ~= sign then bad() end
      depth = depth - 1
      at = found + 1
    end
  until depth == 0
  return at
end

local function key_of(text, from, to)
  local key = sub(text, from + 1, to - 2)
  if not find(key, "\\", 1, true) then return lower(key) end
  key = key:gsub("\\u00(%x%x)", function(code) return string.char(tonumber(code, 16)) end)
  return lower((key:gsub("\\(.)", "%1")))
end

-- The members of the object at a place, in their order, and the place after it. Keys are in lower case: some servers
-- do not tell cases apart.
local function members(text, place)
  if byte(text, place) ~= 123 then bad() end
  local made, at = {}, after_blanks(text, place + 1)
  if byte(text, at) == 125 then return made, at + 1 end
  while true do
    local key_end = after_string(text, at)
    local colon = after_blanks(text, key_end)
    if byte(text, colon) ~= 58 then bad() end
    local from = after_blanks(text, colon + 1)
    local to = after_value(text, from)
    made[#made + 1] = {key = key_of(text, at, key_end), from = from, to = to}
    at = after_blanks(text, to)
    local sign = byte(text, at)
    if sign == 125 then return made, at + 1 end
    if sign ~= 44 then bad() end
    at = after_blanks(text, at + 1)
  end
end

local function value_of(text, found, name)
  local value
  for _, each in ipairs(found) do
    if each.key == name then value = each end
  end
  return value, value and sub(text, value.from, value.to - 1)
end

-- Has members of an object be of one value; adds one if there is none. `edits` gets what is to be changed.
local function set_member(text, place, found, name, value, edits)
  local there = false
  for _, each in ipairs(found) do
    if each.key == name then
      edits[#edits + 1] = {from = each.from, to = each.to, text = value}
      there = true
    end
  end
  if not there then
    local more = '"' .. name .. '":' .. value .. (#found > 0 and "," or "")
    edits[#edits + 1] = {from = place + 1, to = place + 1, text = more}
  end
end

local function edited(text, edits)
  table.sort(edits, function(one, other) return one.from < other.from end)
  local made, at = {}, 1
  for _, each in ipairs(edits) do
    made[#made + 1] = sub(text, at, each.from - 1)
    made[#made + 1] = each.text
    at = each.to
  end
  made[#made + 1] = sub(text, at)
  return concat(made)
end

local function each_item(text, place, visit)
  local at = after_blanks(text, place + 1)
  if byte(text, at) == 93 then return end
  while true do
    local to = after_value(text, at)
    visit(at, to)
    at = after_blanks(text, to)
    if byte(text, at) == 93 then return end
    if byte(text, at) ~= 44 then bad() end
    at = after_blanks(text, at + 1)
  end
end

-- The name of a part of a content that is no text; nil if there is none.
local function other_part(text, place)
  local first, found = byte(text, place), nil
  if first == 34 then return nil end
  if first ~= 91 then return "content" end
  each_item(text, place, function(from)
    for _, each in ipairs(members(text, from)) do
      local value = sub(text, each.from, each.to - 1)
      if each.key == "type" and value ~= '"text"' then found = found or value:gsub('"', "") end
      if each.key ~= "type" and each.key ~= "text" then found = found or each.key end
    end
  end)
  return found
end

-- What of a request would be lost in translation; nil if nothing would be.
local function lost(text, found, allowed)
  local wrong
  for _, each in ipairs(found) do
    if not allowed[each.key] then wrong = wrong or each.key end
    if each.key == "system" then wrong = wrong or other_part(text, each.from) end
    if each.key == "messages" and byte(text, each.from) == 91 then
      each_item(text, each.from, function(from)
        for _, part in ipairs(members(text, from)) do
          if part.key == "role" then
            local role = sub(text, part.from + 1, part.to - 2)
            if not ROLES[role] then wrong = wrong or "messages of role " .. role end
          elseif part.key == "content" then
            wrong = wrong or other_part(text, part.from)
          else
            wrong = wrong or part.key
          end
        end
      end)
    end
  end
  return wrong
end

-- A body as the provider takes it; nil if it stays as it is. Then, what of it would be lost.
local function body_for(provider, operation, text, allowed)
  local place = after_blanks(text, 1)
  local found, after = members(text, place)
  if find(text, "[^ \t\r\n]", after) then bad() end
  local wrong = allowed and lost(text, found, allowed)
  if wrong then return nil, wrong end
  local edits = {}
  if provider.model then set_member(text, place, found, "model", quoted(provider.model), edits) end
  local _, stream = value_of(text, found, "stream")
  if provider.usage and COUNTED[operation] and stream == "true" then
    local options, value = value_of(text, found, "stream_options")
    if value and byte(value) == 123 then
      set_member(text, options.from, members(text, options.from), "include_usage", "true", edits)
    else
      set_member(text, place, found, "stream_options", '{"include_usage":true}', edits)
    end
  end
  return #edits > 0 and edited(text, edits) or nil
end
