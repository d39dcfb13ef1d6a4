-- Looks at the prompts of requests, and changes them, as policies say. Whatever cannot be looked at is refused: there is
-- no way around a guard by bodies that it does not understand.

local SPACE = "headgate.ai"
local MAX_PROGRAM_VALUES = 4000000
local MAX_PROGRAMS = 256
local MAX_BODY_VALUES = 1000000
local SHORTEST_BLOB = 64
local LONGEST_MEDIA_TYPE = 128
local LONGEST_NAME = 128

-- Where names, kinds and ids are, of which both sides have to say the same: words, which are no text of anybody.
local NAMES = {id = true, type = true, role = true, model = true, tool_call_id = true, tool_use_id = true,
  call_id = true}
-- Where an image, a sound or a file may be.
local BLOBS = {url = true, data = true, file_data = true, image_url = true}

local function answer(handle, status, message, code)
  local path = string.match(handle:headers():get(":path") or "", "^[^?]*")
  local kind = status == "403" and "permission_error" or "invalid_request_error"
  local quoted = '"' .. J.escape(message) .. '"'
  local body
  if find(path, "/messages$") or find(path, "/messages/[%w_]+$") then
    body = format('{"type":"error","error":{"type":"%s","message":%s}}', kind, quoted)
  else
    body = format('{"error":{"message":%s,"type":"invalid_request_error","param":null,"code":"%s"}}', quoted, code)
  end
  handle:streamInfo():dynamicMetadata():set(SPACE, "guard", code)
  handle:respond({[":status"] = status, ["content-type"] = "application/json"}, body)
end

local REFUSAL = {}

-- Ends the work on a request: the table is thrown, and compared by identity.
local function refuse(status, message, code)
  REFUSAL.status, REFUSAL.message, REFUSAL.code = status, message, code
  error(REFUSAL, 0)
end

local function compile_guard(found)
  local v = found.v
  local made = {mask = v.mask, status = v.status and tostring(v.status), message = v.message, patterns = {}}
  for i = 1, v.patterns.n do
    local each = v.patterns[i].v
    local forward, backward = {}, nil
    for key, value in pairs(each.forward.v) do forward[key] = value end
    forward = automaton_of(forward)
    if each.backward then backward = automaton_of(each.backward.v) end
    made.patterns[i] = {forward = forward, backward = backward, by = each.by}
  end
  return made
end

local programs, number_of_programs = {}, 0

local function program_of(text)
  local found = programs[text]
  if found then return found end
  if number_of_programs >= MAX_PROGRAMS then programs, number_of_programs = {}, 0 end
  local v = J.read(text, MAX_PROGRAM_VALUES).v
  found = {guards = {}, prepend = v.prepend, append = v.append, defaults = v.defaults, overrides = v.overrides,
    limit = v.limit}
  for i = 1, v.guards and v.guards.n or 0 do found.guards[i] = compile_guard(v.guards[i]) end
  programs[text], number_of_programs = found, number_of_programs + 1
  return found
end

-- Whether a text is no text, but bytes as base64.
local function is_blob(key, text)
  if not BLOBS[key] or #text < SHORTEST_BLOB then return false end
  local _, media_type = find(sub(text, 1, LONGEST_MEDIA_TYPE), "^data:[%w/+.;=_-]*;base64,")
  return not find(text, "[^%w+/=_-]", (media_type or 0) + 1)
end

local function is_matched(guard, text)
  for i = 1, #guard.patterns do
    if is_found(guard.patterns[i], text) then return true end
  end
  return false
end

local LEVELS = 3
local LETTERS = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}

local function character_of(digits) return utf8_of(tonumber(digits, 16)) end

-- The text of JSON that is in a text, as arguments of tools are: without its escapes; nil if it has none.
local function unescaped(text)
  if not find(text, "\\", 1, true) then return nil end
  return (gsub(gsub(text, "\\u(%x%x%x%x)", character_of), "\\(.)", function(found) return LETTERS[found] or found end))
end

-- Whether what a text says to who reads it as JSON matches.
local function is_hidden(guard, text)
  for _ = 1, LEVELS do
    text = unescaped(text)
    if not text then return false end
    if is_matched(guard, text) then return true end
  end
  return false
end

local function is_said(guard, text) return is_matched(guard, text) or is_hidden(guard, text) end

local function deny(guard) refuse(guard.status, guard.message, "prompt_rejected") end

local has_masked  -- whether anything was, of the request that is looked at

local function masked(guard, text)
  local made = text
  for i = 1, #guard.patterns do
    local replaced = replace_all(guard.patterns[i], made, guard.patterns[i].by)
    if replaced then made, has_masked = replaced, true end
  end
  return made
end

local function is_name(key, text)
  return NAMES[key] and #text <= LONGEST_NAME and not find(text, "[^%w_.:/@-]")
end

-- Looks at all texts of a value; gives it, with what is to be masked masked.
local function look_at(guard, value, key)
  if type(value) == "string" then
    if is_name(key, value) or is_blob(key, value) then return value end
    if not guard.mask then
      if is_said(guard, value) then deny(guard) end
      return value
    end
    local made = masked(guard, value)
    -- What is only there for who reads it as JSON cannot be masked.
    if is_hidden(guard, made) then deny(guard) end
    return made
  elseif type(value) == "table" and value.n then
    for i = 1, value.n do value[i] = look_at(guard, value[i], key) end
  elseif type(value) == "table" and value.k then
    for i = 1, #value.k do
      local name = value.k[i]
      -- Names of fields of the API are words. Others may be texts, and cannot be masked: they would be other names.
      if find(name, "[^a-z_]") and is_said(guard, name) then deny(guard) end
      value.v[name] = look_at(guard, value.v[name], name)
    end
  elseif type(value) == "number" or (type(value) == "table" and value.raw) then
    if is_matched(guard, type(value) == "table" and value.raw or write_number(value)) then deny(guard) end
  end
  return value
end

local function put(map, key, value)
  if map.v[key] == nil then map.k[#map.k + 1] = key end
  map.v[key] = value
end

local function map_of(...)
  local made = {k = {}, v = {}}
  for i = 1, select("#", ...), 2 do put(made, (select(i, ...)), (select(i + 1, ...))) end
  return made
end

local function inserted(items, added, at_end)
  local made = {n = items.n + added.n}
  local first, second = at_end and items or added, at_end and added or items
  for i = 1, first.n do made[i] = first[i] end
  for i = 1, second.n do made[first.n + i] = second[i] end
  return made
end

-- Puts a text beside what a field has: a text, a list of parts, or nothing.
local function put_text(body, key, text, at_end)
  local found = body.v[key]
  local of = found == nil and "null" or kind(found)
  if of == "null" then
    put(body, key, text)
  elseif of == "string" then
    put(body, key, at_end and found .. "\n\n" .. text or text .. "\n\n" .. found)
  elseif of == "list" then
    put(body, key, inserted(found, {n = 1, map_of("type", "text", "text", text)}, at_end))
  else
    refuse("400", "The field " .. key .. " of the request has to be a text or a list.", "invalid_request")
  end
end

-- Where an API has its messages, and where those of the system.
local APIS = {
  {"/chat/completions$", "messages", nil}, {"/messages$", "messages", "system"}, {"/messages/count_tokens$", "messages", "system"},
  {"/responses$", "input", "instructions"},
}

local function enrich(body, path, added, at_end)
  if not added then return false end
  local list_key, system_key, is_chat
  for _, each in ipairs(APIS) do
    if find(path, each[1]) then is_chat, list_key, system_key = true, each[2], each[3] end
  end
  if not is_chat then return false end
  local messages, systems = {n = 0}, {}
  for i = 1, added.n do
    local role, content = added[i].v.role, added[i].v.content
    if system_key and (role == "system" or role == "developer") then
      systems[#systems + 1] = content
    else
      messages.n = messages.n + 1
      messages[messages.n] = map_of("role", role, "content", content)
    end
  end
  if #systems > 0 then put_text(body, system_key, concat(systems, "\n\n"), at_end) end
  if messages.n == 0 then return true end
  local found = body.v[list_key]
  if list_key == "input" and type(found) == "string" then found = {n = 1, map_of("role", "user", "content", found)} end
  if found == nil then
    refuse("400", "The request has no field " .. list_key .. ".", "invalid_request")
  elseif kind(found) ~= "list" then
    refuse("400", "The field " .. list_key .. " of the request has to be a list.", "invalid_request")
  end
  put(body, list_key, inserted(found, messages, at_end))
  return true
end

-- What has parameters of models: embeddings and counts of tokens, for instance, take none of those of chats.
local PARAMETERS = {"/chat/completions$", "/completions$", "/messages$", "/responses$"}

local function takes_parameters(path)
  for _, each in ipairs(PARAMETERS) do
    if find(path, each) then return true end
  end
  return false
end

local function set_fields(body, fields, is_default)
  local is_changed = false
  for i = 1, fields and #fields.k or 0 do
    local key = fields.k[i]
    if not is_default or body.v[key] == nil then
      put(body, key, fields.v[key])
      is_changed = true
    end
  end
  return is_changed
end

local function read(text)
  local ok, value = pcall(J.read, text, MAX_BODY_VALUES)
  if not ok and value == LARGE_JSON then
    refuse("413", "The request has too many values, or is nested too deep.", "request_too_large")
  elseif not ok then
    if value ~= BAD_JSON then error(value, 0) end
    refuse("400", "The body of the request has to be JSON.", "invalid_json")
  end
  -- Another reader may take the first of them.
  if J.repeated then refuse("400", "The request has a field twice.", "invalid_json") end
  return value
end

-- The body as it goes on; nil if it stays as it is.
local function changed(program, text, path)
  local body = read(text)
  has_masked = false
  for i = 1, #program.guards do body = look_at(program.guards[i], body, "") end
  local is_changed = has_masked
  if kind(body) == "map" then
    is_changed = enrich(body, path, program.prepend, false) or is_changed
    is_changed = enrich(body, path, program.append, true) or is_changed
    if takes_parameters(path) then
      is_changed = set_fields(body, program.defaults, true) or is_changed
      is_changed = set_fields(body, program.overrides, false) or is_changed
    end
  elseif program.prepend or program.append or program.defaults or program.overrides then
    refuse("400", "The body of the request has to be an object.", "invalid_json")
  end
  if not is_changed then return nil end
  local made = J.write(body)
  return made ~= text and made or nil
end

local function is_encoded(headers)
  local coding = string.lower(headers:get("content-encoding") or "")
  return coding ~= "" and coding ~= "identity"
end

local function is_endless(headers)
  local is_grpc = find(headers:get("content-type") or "", "^application/grpc") ~= nil
  return is_grpc or headers:get(":method") == "CONNECT" or headers:get("upgrade") ~= nil
end

-- Refuses what its headers say cannot be looked at: before anything waits for the end of its body.
local function check_headers(headers, limit)
  if is_endless(headers) then refuse("400", "Streams of both sides cannot be looked at.", "not_supported") end
  if is_encoded(headers) then refuse("415", "Compressed requests cannot be looked at.", "not_supported") end
  if (tonumber(headers:get("content-length") or "") or 0) > limit then
    refuse("413", "The request is too large.", "request_too_large")
  end
end

local function run(handle)
  local context = handle:filterContext()
  local limit = context:get("limit")
  if limit then return check_headers(handle:headers(), limit) end
  local program = program_of(context:get("program"))
  local headers = handle:headers()
  check_headers(headers, program.limit)
  local path = string.match(headers:get(":path") or "", "^[^?]*")
  local whole = handle:body(true)
  local size = whole:length()
  if size == 0 then return end
  if size > program.limit then refuse("413", "The request is too large.", "request_too_large") end
  S = {work = huge}
  local made = changed(program, whole:getBytes(0, size), path)
  if not made then return end
  whole:setBytes(made)
  headers = handle:headers()
  if headers:get("content-length") then headers:replace("content-length", tostring(#made)) end
end

function envoy_on_request(handle)
  local ok, problem = pcall(run, handle)
  S = {work = huge}
  if ok then return end
  if problem == REFUSAL then return answer(handle, REFUSAL.status, REFUSAL.message, REFUSAL.code) end
  if problem == TOO_COSTLY then
    return answer(handle, "400", "The text of the request takes too long to look at.", "too_costly")
  end
  handle:logErr("headgate.ai.guard: " .. tostring(problem))
  answer(handle, "500", "The request could not be looked at.", "guard_failed")
end
