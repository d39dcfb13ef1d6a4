-- Beside Envoy's router of several servers.
--
-- It tells who an agent is, so that nobody else uses its session: issuer and subject of each token that was verified.
-- And it mends what the router answers: lists of tools, in which it writes what is an empty object in the answer of a server as null, which is no
-- schema (where a schema has schemas, null is never meant), and types of streams.

local TOKENS, SPACE = "envoy.filters.http.jwt_authn", "headgate.mcp.identity"
local PROTOCOL = "envoy.filters.http.mcp"
local SCHEMAS = {"properties", "items", "additionalProperties", "patternProperties", "$defs", "definitions",
  "inputSchema", "outputSchema"}

function envoy_on_request(handle)
  local metadata = handle:streamInfo():dynamicMetadata()
  local found = {}
  for _, claims in pairs(metadata:get(TOKENS) or {}) do
    if type(claims) == "table" and type(claims.sub) == "string" then
      local issuer = type(claims.iss) == "string" and claims.iss or ""
      found[#found + 1] = #issuer .. ":" .. issuer .. #claims.sub .. ":" .. claims.sub
    end
  end
  table.sort(found)
  metadata:set(SPACE, "id", "agent " .. table.concat(found, " "))
end

local READ = {["resources/read"] = true, ["prompts/get"] = true, ["completion/complete"] = true}

-- The router says JSON of what a server answers as a stream of events.
local function mend_type(headers, text)
  local is_stream = string.find(text, "^[a-z]*:")
  if is_stream and string.find(headers:get("content-type") or "", "^application/json") then
    headers:replace("content-type", "text/event-stream")
  end
end

local function mended(text)
  for _, each in ipairs(SCHEMAS) do
    text = string.gsub(text, '"' .. string.gsub(each, "%$", "%%$") .. '":null', '"' .. each .. '":{}')
  end
  return text
end

function envoy_on_response(handle)
  local message = handle:streamInfo():dynamicMetadata():get(PROTOCOL)
  local method = message and message.method
  if method ~= "tools/list" and not READ[method] then return end
  local body = handle:body()
  if not body then return end
  local headers, text = handle:headers(), body:getBytes(0, body:length())
  if READ[method] then return mend_type(headers, text) end
  local length = body:setBytes(mended(text))
  if headers:get("content-length") then headers:replace("content-length", length) end
end
