-- Has a request be what its provider takes: address, headers, path, model and usage.
--
-- It runs for each attempt, in the cluster of the provider. Headers are those that the attempt before left, with its
-- credentials; the body is the client's own. What is the provider's comes in one header, which the filter before this
-- one has written. Nothing goes on where anything fails.

local CONFIG = "x-headgate-ai-provider"
local SAVED = "headgate.ai.request"  -- metadata: what the first attempt found
-- What providers get of clients: all else may tell who these are, or let somebody in.
local KEPT = set_of([[content-type content-length content-encoding transfer-encoding accept accept-language user-agent
  idempotency-key openai-beta anthropic-version anthropic-beta x-goog-api-client x-client-request-id x-request-id
  traceparent tracestate x-stainless-arch x-stainless-async x-stainless-custom-poll-interval x-stainless-helper
  x-stainless-helper-method x-stainless-lang x-stainless-os x-stainless-package-version x-stainless-poll-helper
  x-stainless-raw-response x-stainless-read-timeout x-stainless-retry-count x-stainless-runtime
  x-stainless-runtime-version x-stainless-stream-helper x-stainless-timeout]])
local READ = "headgate.credentials"  -- metadata: where the route has read credentials for the gateway
local FRAMING = set_of("content-length transfer-encoding")
-- What of answers is between the gateway and the provider: whose account it is, and how to connect to it.
local OF_PROVIDER = {"set-cookie", "alt-svc", "openai-organization", "openai-project", "anthropic-organization-id"}
-- Parameters of the APIs, which alone they get: whatever else is in a query may be a key.
local PARAMETERS = set_of([[after after_id alt api-version before before_id beta encoding_format include include[]
  include_obfuscation intent limit model order page page_size page_token pageSize pageToken purpose starting_after
  status stream]])
local METADATA = "^metadata%[[^%]]*%]$"
local OPERATIONS = {"/chat/completions", "/completions", "/responses", "/embeddings", "/messages",
  "/messages/count_tokens", "/moderations", "/images/generations", "/images/edits", "/audio/speech",
  "/audio/transcriptions", "/audio/translations", "/rerank", "/models"}
local KEYS = {"authorization", "x-api-key", "api-key", "x-goog-api-key"}
local PREFIX = "x-headgate-ai-prefix"

-- What Envoy's translator of 1.40 takes whole from clients of an API into that of a provider; all else would be lost,
-- or refused by the provider as nothing that it knows.
local TRANSLATED = {
  openai = {
    operation = "chat/completions",
    anthropic = set_of("model messages max_tokens max_completion_tokens temperature top_p stop stream stream_options"),
    gemini = set_of("model messages max_tokens max_completion_tokens temperature top_p stop stream stream_options seed"),
  },
  anthropic = {
    operation = "messages",
    openai = set_of("model messages system max_tokens temperature top_p stop_sequences stream metadata"),
    gemini = set_of("model messages system max_tokens temperature top_p stop_sequences stream"),
  },
}
local PLACES = {openai = "/v1/chat/completions", anthropic = "/v1/messages", gemini = "/v1beta/models/-:generateContent"}
local REFUSED = {}  -- thrown, and compared by identity

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

-- What is the provider's, by names; several values of one name in a list.
local known, known_count = {}, 0
local function configuration(text)
  local made = known[text]
  if made then return made end
  made = {strip = {}, forward = {}, set = {}, takes = {}}
  for name, value in text:gmatch("([^&=]+)=([^&]*)") do
    value = decoded(value)
    if type(made[name]) == "table" then made[name][#made[name] + 1] = value else made[name] = value end
  end
  made.strip, made.forward = set_of(concat(made.strip, " ")), set_of(concat(made.forward, " "))
  if known_count >= 1000 then known, known_count = {}, 0 end
  known[text], known_count = made, known_count + 1
  return made
end

-- Answers in the shape of the client's API.
local function refuse(handle, anthropic, status, message)
  local said = '"message":' .. quoted(message)
  local type = status == "500" and "api_error" or "invalid_request_error"
  local body = anthropic and '{"type":"error","error":{"type":"' .. type .. '",' .. said .. "}}"
    or '{"error":{' .. said .. ',"type":"' .. type .. '","param":null,"code":null}}'
  handle:respond({[":status"] = status, ["content-type"] = "application/json"}, body)
  error(REFUSED, 0)
end

-- The operation that a path names, and what of its query is the API's, without what `read` names.
local function operation_of(path, read)
  local bare, query = path:match("^([^?]*)%??(.*)$")
  local operation = bare:match("/v1/(.*)$")
  if not operation then
    for _, each in ipairs(OPERATIONS) do
      if not operation and sub(bare, -#each) == each then operation = sub(each, 2) end
    end
  end
  operation = operation or sub(bare, 2)
  local kept = {}
  for part in query:gmatch("[^&]+") do
    local name = decoded(part:match("^[^=]*"))
    -- Some servers take a semicolon for an ampersand.
    local known = (PARAMETERS[name] or find(name, METADATA)) and not find(part, ";", 1, true)
    if known and not read[name] then kept[#kept + 1] = part end
  end
  return operation, #kept > 0 and "?" .. concat(kept, "&") or ""
end

-- What an attempt before has added is not kept either: credentials are in headers of the first list only by intention.
local function strip(headers, forwarded, foreign, read)
  local found = {}
  for name in pairs(headers) do
    local kept = KEPT[name] or forwarded[name]
    if byte(name) ~= 58 and not FRAMING[name] and (not kept or foreign[name] or read[name]) then
      found[#found + 1] = name
    end
  end
  for _, each in ipairs(found) do headers:remove(each) end
end

local function saved(handle, headers)
  local metadata = handle:streamInfo():dynamicMetadata()
  local first = metadata:get(SAVED)
  if first and first.path then return first.path, first.length, first.host end
  local path, length = headers:get(":path"), headers:get("content-length") or ""
  local host = headers:get(":authority") or ""
  metadata:set(SAVED, "path", path)
  metadata:set(SAVED, "length", length)
  metadata:set(SAVED, "host", host)
  return path, length, host
end

-- Whether a type of content is what programs say by themselves, such as curl, of any text.
local function usual_type(found)
  local bare = lower(found or ""):match("^%s*([^;%s]*)")
  return bare == "" or bare == "application/x-www-form-urlencoded" or bare == "text/plain"
end

local function secret_of(headers)
  for _, each in ipairs(KEYS) do
    local found = headers:get(each)
    if found and not find(lower(found), "^basic ") then return found:gsub("^[Bb]earer +", "") end
  end
end

local function prepare(handle)
  local headers = handle:headers()
  local text = headers:get(CONFIG)
  local path, length, host = saved(handle, headers)
  local read = handle:streamInfo():dynamicMetadata():get(READ) or {}
  local operation, query = operation_of(path, read.parameters or {})
  local anthropic = operation == "messages" or operation:match("^messages/") ~= nil
  local provider = configuration(text or "")
  local secret, upgrade = provider.keep and secret_of(headers), headers:get("upgrade")
  strip(headers, provider.forward, provider.strip, read.headers or {})
  if not provider.takes[1] then error("no configuration") end
  if upgrade then
    refuse(handle, anthropic, "400", "WebSockets to providers are not supported: no tokens could be counted in them.")
  end
  local api, taken = anthropic and "anthropic" or "openai", false
  for _, each in ipairs(provider.takes) do taken = taken or each == api end
  if not taken then
    refuse(handle, anthropic, "400", "The provider " .. provider.name .. " does not speak this API.")
  end
  local allowed = provider.into and TRANSLATED[api][provider.into]
  if provider.into and operation ~= TRANSLATED[api].operation then
    refuse(handle, anthropic, "404", "The provider " .. provider.name .. " has nothing like " .. operation .. ".")
  end
  if length ~= "" then headers:replace("content-length", length) else headers:remove("content-length") end
  if provider.host or host ~= "" then headers:replace(":authority", provider.host or host) end
  if secret then headers:replace(provider.keep, (provider.keep_prefix or "") .. secret) end
  for _, each in ipairs(provider.set) do
    local name, value = each:match("^([^:]+):(.*)$")
    if not headers:get(name) then headers:replace(name, value) end
  end
  if provider.into then
    headers:replace(":path", PLACES[provider.into])
    headers:replace(PREFIX, provider.prefix)
    handle:streamInfo():dynamicMetadata():set(SAVED, "client", api)
  else
    headers:replace(":path", (provider.prefix or "") .. "/" .. operation .. query)
    handle:streamInfo():dynamicMetadata():set(SAVED, "client", "")
  end
  local usual = usual_type(headers:get("content-type"))
  if not provider.model and not provider.into and not (provider.usage and COUNTED[operation]) and not usual then return end
  local body = handle:body()
  if not body then
    if provider.into then refuse(handle, anthropic, "400", "The request has no body.") end
    return
  end
  local ok, made, wrong = pcall(body_for, provider, operation, body:getBytes(0, body:length()), allowed)
  if not ok and made ~= BAD then error(made, 0) end
  if not ok and (provider.model or provider.into) then
    refuse(handle, anthropic, "400", "The body must be a JSON object: the provider " .. provider.name .. " needs it changed.")
  end
  if ok and wrong then
    refuse(handle, anthropic, "400", "The provider " .. provider.name .. " speaks another API, into which text is translated only: "
      .. wrong .. " would be lost.")
  end
  if ok and made then body:setBytes(made) end
  if ok and usual then handle:headers():replace("content-type", "application/json") end
end

function envoy_on_request(handle)
  local ok, failed = pcall(prepare, handle)
  if not ok and failed ~= REFUSED then
    handle:logErr("AI provider: " .. tostring(failed))
    refuse(handle, false, "500", "The request could not be prepared for its provider.")
  end
end

local function message_of(text)
  local found = members(text, after_blanks(text, 1))
  local inner, value = value_of(text, found, "error")
  if inner and byte(value) == 123 then found = members(text, inner.from) end
  local _, message = value_of(text, found, "message")
  return message and byte(message) == 34 and message or nil
end

-- Errors are not translated by Envoy: they get the shape of the client's API here, and keep their words.
local function answer(handle)
  for _, each in ipairs(OF_PROVIDER) do handle:headers():remove(each) end
  local status = tonumber(handle:headers():get(":status"))
  if status < 400 then return end
  local first = handle:streamInfo():dynamicMetadata():get(SAVED)
  local client = first and first.client or ""
  if client == "" then return end
  local body = handle:body()
  local ok, message = pcall(message_of, body and body:getBytes(0, body:length()) or "")
  message = ok and message or '"The provider answered with an error."'
  local type = status == 429 and "rate_limit_error" or status >= 500 and "api_error" or "invalid_request_error"
  local made = client == "anthropic" and '{"type":"error","error":{"type":"' .. type .. '","message":' .. message .. "}}"
    or '{"error":{"message":' .. message .. ',"type":"' .. type .. '","param":null,"code":null}}'
  handle:headers():replace("content-type", "application/json")
  if body then body:setBytes(made) end
end

function envoy_on_response(handle)
  local ok, failed = pcall(answer, handle)
  if not ok then handle:logErr("AI provider: " .. tostring(failed)) end
end
