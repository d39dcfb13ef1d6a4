-- Requests and responses: what is read of them, and how they are changed.
--
-- Whatever fails has the message refused: Envoy itself would pass on a message whose script fails.

local OWN = "headgate.transformation"  -- the namespace of what a response needs of its request
local MAX_PROGRAM_VALUES, MAX_PROGRAM_DEPTH = 1000000, 1000
local MAX_HEADER = 16384
local MEGABYTE = 1048576
local USUAL_LIMIT = MEGABYTE
local MAX_PROGRAMS = 2048

local function compile_values(found)
  local made = {}
  for i = 1, found and found.n or 0 do
    made[i] = {name = found[i][1], render = compile_template(found[i][2])}
  end
  return made
end

local function compile_metadata(found)
  local made = {}
  for i = 1, found and found.n or 0 do
    made[i] = {namespace = found[i][1], name = found[i][2], render = compile_template(found[i][3])}
  end
  return made
end

local function compile_direction(found)
  if not found then return nil end
  local v = found.v
  return {
    remove = v.remove or {n = 0}, set = compile_values(v.set), add = compile_values(v.add),
    metadata = compile_metadata(v.metadata), body = v.body and compile_template(v.body),
    reads = v.reads, json = v.json, reject = v.reject, limit = v.limit or USUAL_LIMIT,
  }
end

local programs, number_of_programs = {}, 0

-- The functions of a program, which are made once: programs that are equal are the same text in Lua.
local function program_of(text)
  local found = programs[text]
  if found then return found end
  if number_of_programs >= MAX_PROGRAMS then programs, number_of_programs = {}, 0 end
  local v = J.read(text, MAX_PROGRAM_VALUES, MAX_PROGRAM_DEPTH).v
  if v.version ~= 1 then fail("it is of another version of Headgate") end
  found = {request = compile_direction(v.request), response = compile_direction(v.response), keep = v.keep,
    plain = v.plain}
  programs[text], number_of_programs = found, number_of_programs + 1
  return found
end

local function is_grpc(headers) return find(headers:get("content-type") or "", "^application/grpc") ~= nil end

-- Whether a message has no end that can be waited for.
local function is_stream(headers, is_request)
  if is_grpc(headers) then return true end
  if not is_request then return headers:get(":status") == "101" end
  return headers:get(":method") == "CONNECT" or headers:get("upgrade") ~= nil
end

-- Whether a response is one that cannot be waited for.
local function opens_stream(headers, saved)
  return is_stream(headers, false) or (saved[":method"] == "CONNECT" and sub(headers:get(":status") or "", 1, 1) == "2")
end

-- Whether a response has no body, whatever its headers say (RFC 9110, 6.4.1). Where the request did not come here, since a
-- filter before answered it, the method is not known: it may be HEAD.
local function is_bodiless(headers, saved)
  local status, method = headers:get(":status") or "", saved[":method"]
  return not method or method == "HEAD" or status == "204" or status == "304" or sub(status, 1, 1) == "1"
end

-- Statuses whose responses have no body, and 205, whose body is empty: bytes after them would be those of the next response.
local EMPTY_STATUSES = {["204"] = true, ["205"] = true, ["304"] = true}

local function is_encoded(headers)
  local coding = string.lower(headers:get("content-encoding") or "")
  return coding ~= "" and coding ~= "identity"
end

local function metadata(handle) return handle:streamInfo():dynamicMetadata() end

local function saved_of(handle)
  local found = metadata(handle):get(OWN)
  return type(found) == "table" and type(found.request) == "table" and found.request or {}
end

local function save(handle, headers, names)
  local made, any = {}, false
  for i = 1, names.n do
    local value = headers:get(names[i])
    if value then made[names[i]], any = scrub(value), true end  -- metadata is text
  end
  if any then metadata(handle):set(OWN, "request", made) end
end

-- Refuses a message: requests are answered, responses become an error without anything of theirs.
local function refuse(handle, is_request, status, text)
  metadata(handle):set(OWN, "error", text)
  local body = "The transformation of the " .. (is_request and "request" or "response") .. " failed.\n"
  if is_request then
    handle:respond({[":status"] = status, ["content-type"] = "text/plain"}, body)
    return
  end
  local saved = saved_of(handle)
  local stream = opens_stream(handle:headers(), saved)
  local whole = not stream and handle:body(true)
  local headers, names = handle:headers(), {}
  for name in pairs(headers) do
    if sub(name, 1, 1) ~= ":" then names[#names + 1] = name end
  end
  local bodiless = is_bodiless(headers, saved)
  for _, name in ipairs(names) do headers:remove(name) end
  headers:replace(":status", status)
  headers:replace("content-type", "text/plain")
  if stream then
    for chunk in handle:bodyChunks() do chunk:setBytes("") end
  elseif not bodiless then
    whole:setBytes(body)
    headers:replace("content-length", tostring(#body))
  end
end

-- A value as a header has it: on one line, without spaces around it.
local function header_value(text)
  if #text > MAX_HEADER then fail("the value of a header is longer than " .. MAX_HEADER .. " bytes") end
  if find(text, "[%z\1-\8\10-\31\127]") then text = gsub(text, "[%z\1-\8\10-\31\127]", " ") end
  return trim(text)
end

local function has_dot_segment(path)
  local plain = gsub(string.lower(string.match(path, "^[^?]*")), "%%2e", ".")
  plain = gsub(gsub(plain, "%%2f", "/"), "%%5c", "/")
  plain = gsub(plain, "\\", "/") .. "/"
  plain = gsub(plain, "%%3b", ";")
  return find(plain, "/%.%.?[/;]") ~= nil  -- backends such as Tomcat drop what is between `;` and `/`
end

-- How a response ends depends on whether its request was HEAD or CONNECT: the client's and the backend's have to agree.
local FRAMING_METHODS = {HEAD = true, CONNECT = true}

local function keeps_framing(method)
  local before = S.headers:get(":method") or ""
  return method == before or not (FRAMING_METHODS[string.upper(method)] or FRAMING_METHODS[string.upper(before)])
end

local PSEUDO = {
  [":path"] = function(value) return find(value, "^/[\33\34\36-\126]*$") and not has_dot_segment(value) end,
  [":authority"] = function(value) return #value <= 255 and find(value, "^[A-Za-z0-9._:%[%]-]+$") end,
  [":method"] = function(value) return find(value, "^[A-Za-z0-9!#$%%&'*+.^_`|~-]+$") and keeps_framing(value) end,
  [":status"] = function(value) return find(value, "^[2-5]%d%d$") end,
}

local function render_header(each)
  local value = header_value(each.render())
  local check = PSEUDO[each.name]
  if check and value ~= "" and not check(value) then fail(each.name .. " gets a value that it cannot have") end
  return value
end

local function render_all(list_of, render)
  local made = {}
  for i, each in ipairs(list_of) do made[i] = render(each) end
  return made
end

local function render(direction)
  return {
    set = render_all(direction.set, render_header), add = render_all(direction.add, render_header),
    metadata = render_all(direction.metadata, function(each)
      local text = each.render()
      charge(#text * 2)
      return scrub(text)
    end),
    body = direction.body and direction.body(),
  }
end

local function apply_headers(headers, direction, made)
  for i = 1, direction.remove.n do headers:remove(direction.remove[i]) end
  for i, each in ipairs(direction.set) do
    if made.set[i] ~= "" then
      headers:replace(each.name, made.set[i])
    elseif not PSEUDO[each.name] then
      headers:remove(each.name)
    end
  end
  for i, each in ipairs(direction.add) do
    if made.add[i] ~= "" then headers:add(each.name, made.add[i]) end
  end
end

-- The status that templates give; nil if it stays.
local function new_status(direction, made)
  for i, each in ipairs(direction.set) do
    if each.name == ":status" and made.set[i] ~= "" then return made.set[i] end
  end
end

-- Replaces a body. One whose length was not told may have trailers: that of the new one is not told either.
local function apply_body(headers, whole, before, text)
  if text == before then return end
  local told = before == "" or headers:get("content-length") ~= nil
  whole:setBytes(text)  -- which sets the length too
  headers:remove("content-encoding")
  if told then headers:replace("content-length", tostring(#text)) else headers:remove("content-length") end
end

-- Reads the body into the state. Gives the status that a message gets instead, or true if it passes as it is.
local function read_body(handle, direction, is_request, whole)
  local size = whole:length()
  if size > direction.limit then return is_request and "413" or "500" end
  S.body = size > 0 and whole:getBytes(0, size) or ""
  if not direction.json or not find(S.body, "[^ \t\r\n]") then return end
  local ok, value = pcall(J.read, S.body)
  if ok then
    S.json, S.variables = value, value ~= NULL and type(value) == "table" and value.v or {}
    return
  end
  if value == LARGE_JSON then return is_request and "413" or "500" end
  if value ~= BAD_JSON then error(value, 0) end
  if direction.reject then return is_request and "400" or "502" end
  return true
end

-- What a message may cost: eight times its longest body, and for long ones less than that, so that no worker is held up.
local function work_of(limit)
  return math.max(MEGABYTE, math.min(8 * limit, 2 * limit + 6 * MEGABYTE))
end

-- Prepares the state for a message.
local function prepare(handle, direction, is_request, saved)
  S = {
    handle = handle, headers = handle:headers(), is_request = is_request, saved = saved, body = "", variables = {},
    namespaces = {},
    steps = 0, size = 0, limit = direction.limit, work = work_of(direction.limit),
  }
end

-- Makes the framing of a response that of its new status: without a body where this has none, and where the one before had
-- none without the length that its headers may tell nevertheless (RFC 9110, 8.6).
local function reframe(handle, before, status, bodiless, saved, whole)
  if EMPTY_STATUSES[status] then
    if not bodiless or not saved[":method"] then
      whole = whole or handle:body(true)
      whole:setBytes("")
    end
    local headers = handle:headers()
    if status == "205" then headers:replace("content-length", "0") else headers:remove("content-length") end
  elseif before == "204" or before == "304" then
    handle:headers():remove("content-length")
  end
end

local function transform(handle, direction, is_request, saved)
  local headers = handle:headers()
  local whole, instead
  local bodiless = not is_request and is_bodiless(headers, saved)
  if (direction.reads or direction.body) and not bodiless then
    local stream = is_stream(headers, is_request)
    if stream or (direction.reads and is_encoded(headers)) then
      if direction.reject then
        return refuse(handle, is_request, is_request and "400" or "502", "the body cannot be read")
      end
      if direction.reads then return end
    end
    if not stream then whole = handle:body(true) end
  end
  prepare(handle, direction, is_request, saved)
  if whole then instead = read_body(handle, direction, is_request, whole) end
  if instead == true then return end
  if instead then return refuse(handle, is_request, instead, "the body cannot be read") end
  local made, before, stream_metadata = render(direction), S.body, nil
  headers = handle:headers()
  local status_before, status = headers:get(":status"), not is_request and new_status(direction, made)
  if status == status_before then status = nil end
  if status and opens_stream(headers, saved) and (EMPTY_STATUSES[status] or not is_grpc(headers)) then
    fail("a stream cannot have this status")
  end
  apply_headers(headers, direction, made)
  if whole and made.body and not EMPTY_STATUSES[status] then apply_body(headers, whole, before, made.body) end
  if status then reframe(handle, status_before, status, bodiless, saved, whole) end
  for i, each in ipairs(direction.metadata) do
    stream_metadata = stream_metadata or metadata(handle)
    stream_metadata:set(each.namespace, each.name, made.metadata[i])
  end
end

local function run(handle, is_request)
  local program = program_of(handle:filterContext():get("program"))
  local headers = handle:headers()
  if is_request then
    if program.keep then save(handle, headers, program.keep) end
    if program.plain and not is_stream(headers, true) then headers:replace("accept-encoding", "identity") end
    if program.request then transform(handle, program.request, true, {}) end
    return
  end
  if not program.response then return end
  local own = metadata(handle):get(OWN)
  if type(own) == "table" and own.error then return end
  transform(handle, program.response, false, saved_of(handle))
end

local function guarded(handle, is_request)
  local ok, problem = pcall(run, handle, is_request)
  S, O = {}, {}
  if ok then return end
  handle:logDebug(tostring(problem))
  refuse(handle, is_request, "500", tostring(problem))
end

function envoy_on_request(handle) guarded(handle, true) end

function envoy_on_response(handle) guarded(handle, false) end
