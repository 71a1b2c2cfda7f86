-- SPDX-License-Identifier: MIT
local json = require "support.json"
local rule_document = require "flowhost.schema.rule_document"

local function lines(list)
    local texts = {}
    for i, problem in ipairs(list) do
        texts[i] = problem.pointer .. " " .. problem.message
    end
    return texts
end

--- "pointer message" of each problem, and of each warning, of a rule given as JSON.
local function find(text)
    local problems, warnings = rule_document.find_problems(assert(json.decode(text)), json)
    return lines(problems), lines(warnings)
end

local API = '{"name":"a","type":"api","url":"http://x","method":"GET"%s}'
local SCRIPT = '{"name":"s","type":"script","url":"x.js"%s}'

--- A rule of one component with more fields.
local function with(component, more)
    return '{"components":[[' .. component:format(more and "," .. more or "") .. "]]}"
end

--- Problems of a component with a field, without the pointer to the component.
local function problems_of(component, more)
    local found = find(with(component, more))
    for i, line in ipairs(found) do
        found[i] = line:gsub("^/components/0/0/", "")
    end
    return found
end

local FULL = [==[{
    "version": "1", "record": true, "suspend": true, "request": { "type": "json",
        "query": { "id": { "type": "int", "required": true, "min": 1 } }, "header": { "token": { "type": "string" } },
        "body": { "user": { "type": "object", "attribute": {
            "tags": { "type": "slice", "enum": ["a"], "maxLen": 3 } } } } },
    "components": [[
        { "name": "user", "desc": "reads", "type": "api", "url": "http://h/{request.query.id}", "method": "post",
          "input": { "a": "{request.body.user}" }, "condition": "{request.query.id} > 1", "isCache": true,
          "contentType": "text/json", "auth": ["u", "{request.header.token}"],
          "header": { "X": "{request.header.token}" }, "dataType": "json",
          "responseType": "json", "xmlName": "r", "tls": { "ca": "c", "key": "k" },
          "responseCondition": "{code} == 0", "errMsg": "{msg}", "nowResponse": false, "ignoreError": true,
          "outputData": { "id": "{data.id}" }, "outputName": "user",
          "timeout": 5, "retryMaxCount": 3, "retryMaxWait": 10 }
    ], [], [{ "name": "s", "type": "script", "url": "x.js", "input": "{user}", "outputName": "s.t" }]],
    "response": { "type": "xml", "xmlName": "doc", "body": { "c": "{response.code}", "d": "{s.t.x}" },
        "defaultBody": { "c": 200 }, "header": { "X-Id": "{user.id}" } } }]==]

describe("a rule document", function()
    it("with every field has no faults", function()
        local problems, warnings = find(FULL)
        assert.same({}, problems)
        assert.same({}, warnings)
    end)

    it("needs nothing but to be an object", function()
        assert.same({}, (find "{}"))
        for _, text in ipairs { "5", "null", "[]", '"{}"', "true" } do
            assert.same({ " must be a JSON object" }, (find(text)))
        end
    end)

    it("takes null for not given", function()
        local problems, warnings = find [==[{ "version": null, "record": null, "suspend": null, "request": null,
            "components": null, "response": null }]==]
        assert.same({}, problems)
        assert.same({}, warnings)
        assert.same({}, problems_of(API, '"desc":null,"input":null,"timeout":null,"tls":null,"header":null,"auth":null,'
            .. '"condition":null,"requestType":null,"responseType":null,"outputName":null,"errorMsg":null'))
        assert.same({}, (find [==[{ "request": { "type": null, "query": null,
            "body": { "x": { "type": "int", "max": null, "default": null } } } }]==]))
    end)

    it("has fields of the right types", function()
        assert.same({ "/version must be a string", "/record must be true or false", "/suspend must be true or false",
            "/request must be an object", "/response must be an object", "/components must be an array of layers" },
            (find '{"version":1,"record":1,"suspend":"true","request":[],"components":{"a":1},"response":5}'))
        assert.same({ "/response/type must be a string", "/response/header must be an object",
            "/response/xmlName must be a string" }, (find '{"response":{"type":1,"header":[1],"xmlName":{}}}'))
    end)

    it("has layers of components", function()
        assert.same({ "/components/0 must be an array of components, which run at the same time",
            "/components/2/0 must be an object", "/components/2/1 must be an object" },
            (find '{"components":[{"name":"a"},[],[5,[]]]}'))
    end)

    it("has each name once in a layer", function()
        local a, b = API:format "", SCRIPT:format(""):gsub('"s"', '"a"')
        assert.same({ "/components/0/1/name 'a' is the name of another component of the layer" },
            (find('{"components":[[' .. a .. "," .. b .. "],[" .. a .. "]]}")))
    end)
end)

describe("the request block of a rule document", function()
    it("has rules with types", function()
        assert.same({
            "/request/body/a request.body.a has no type: use int, float, string, slice, bool or object",
            "/request/body/b must be a table of rules",
            "/request/body/c/type request.body.c has the unknown type 'number'",
            "/request/body/d/required request.body.d.required must be a boolean",
            "/request/body/e/attribute/f~1g/type request.body.e.attribute.f/g has the unknown type 'x'",
            "/request/body/h/default request.body.h.default must be a whole number",
            "/request/header request.header must be a table of fields",
        }, (function()
            local found = find [==[{ "request": { "header": 5, "body": { "a": {}, "b": 5, "c": { "type": "number" },
                "d": { "type": "int", "required": "yes" },
                "e": { "type": "object", "attribute": { "f/g": { "type": "x" } } },
                "h": { "type": "int", "default": "1.5" }, "i": { "type": "slice", "default": "[1]" } } } }]==]
            found[2] = found[2]:gsub("request.body.b must be a table of rules.*", "must be a table of rules")
            return found
        end)())
        assert.same({ "/request/type must be a string" }, (find '{"request":{"type":5}}'))
    end)
end)

describe("a component of a rule document", function()
    it("has what it needs", function()
        assert.same({ "/components/0/0/name is required", "/components/0/0/type is required",
            "/components/0/0/url is required" }, (find '{"components":[[{"x":1}]]}'))
        assert.same({ "method is required" }, problems_of '{"name":"a","type":"api","url":"http://x"}')
        assert.same({}, problems_of '{"name":"a","type":"script","url":"x"}')
        assert.same({ "name must not be empty", "url must not be empty" }, problems_of
            '{"name":"","type":"script","url":" "}')
    end)

    it("is of type api or script", function()
        for _, kind in ipairs { "API", "js", "" } do
            assert.same({ "type '" .. kind .. "' is not known: use api or script" },
                problems_of('{"name":"a","type":"' .. kind .. '","url":"x"}'))
        end
    end)

    it("has fields of the right types", function()
        for field, case in pairs {
            desc = { "5", "must be a string" }, condition = { "true", "must be a string" },
            isCache = { "1", "must be true or false" }, nowResponse = { '"x"', "must be true or false" },
            ignoreError = { "0", "must be true or false" }, outputName = { "[]", "must be a string" },
            timeout = { '"5"', "must be a number" }, retryMaxCount = { "1.5", "must be a whole number from 0 to 100" },
            retryMaxWait = { "-1", "must be a whole number from 0 to 86400" },
            method = { '"TEAPOT"', "must be an HTTP method such as POST" },
            contentType = { "5", "must be a string" }, auth = { '["a"]', "must be an array of user and password" },
            header = { "[1]", "must be an object" },
            requestType = { '"yaml"', "'yaml' is not known: use json, xml, text or form" },
            dataType = { '"JSON"', "'JSON' is not known: use json, xml, text or form" },
            responseType = { "5", "must be a string" }, xmlName = { "5", "must be a string" },
            tls = { '{"ca":5}', "must name secrets: ca and key" },
            responseCondition = { "5", "must be a string" }, errorMsg = { "5", "must be a string" },
            errMsg = { "{}", "must be a string" },
        } do
            local component = field == "method" and API:gsub('"method":"GET"', '"desc":""') or API
            assert.same({ field .. " " .. case[2] }, problems_of(component, ('"%s":%s'):format(field, case[1])))
        end
        for _, auth in ipairs { '"a:b"', '["a",5]', '["a","b","c"]', '{"user":"a"}', "[]" } do
            assert.same({ "auth must be an array of user and password" }, problems_of(API, '"auth":' .. auth))
        end
        assert.same({ "tls must be an object with ca and key" }, problems_of(API, '"tls":"x"'))
        for _, more in ipairs { "{}", '{"key":""}', '{"ca":"x","key":null,"x":1}' } do
            local found = problems_of(API, '"tls":' .. more)
            assert.same(more:find "x" and {} or { "tls must name secrets: ca and key" }, found)
        end
        assert.same({ "retryMaxCount must be a whole number from 0 to 100" }, problems_of(API, '"retryMaxCount":101'))
    end)

    it("has conditions that can be read, with the place of the fault", function()
        local problems = rule_document.find_problems(json.decode(with(API,
            '"condition":"{a} = 1","responseCondition":"1 +"')))
        assert.same({ 5, 4 }, { problems[1].position, problems[2].position })
        assert.same({ [[condition expected an operator or the end, not '='; == compares, at position 5 of "{a} = 1"]],
            [[responseCondition expected an operand, not the end, at position 4 of "1 +"]] },
            problems_of(API, '"condition":"{a} = 1","responseCondition":"1 +"'))
        assert.same({}, problems_of(API, '"condition":"","responseCondition":" "'))
    end)

    it("may spell a field in either way, but not two things in both", function()
        assert.same({}, problems_of(API, '"errMsg":"a","errorMsg":"a","dataType":"xml"'))
        assert.same({ "dataType says other than requestType, which it is another spelling of" },
            problems_of(API, '"requestType":"xml","dataType":"json"'))
    end)

    it("has an output name of whole segments", function()
        for _, name in ipairs { ".a", "a.", "a..b", "." } do
            assert.same({ "outputName must not have a dot at its ends nor two in a row" },
                problems_of(API, '"outputName":"' .. name .. '"'))
        end
        assert.same({}, problems_of(API, '"outputName":"a.b.c.d"'))
        assert.same({}, problems_of(API, '"outputName":""'))
    end)

    it("that is a script is not held to the fields of an API", function()
        assert.same({}, problems_of(SCRIPT, '"auth":5,"method":5,"responseCondition":"1 +"'))
    end)
end)

describe("conditions of a rule document", function()
    local function lost(text)
        return lines(rule_document.find_lost_conditions(assert(json.decode(text))))
    end

    it("refer to values of the host and to what components put out", function()
        assert.same({}, lost(with(SCRIPT, '"outputName":"u.v","condition":"{u.x} == {request.body.a} || {env.A} == '
            .. '{global_store.n} || {response.code} == 1"')))
        assert.same({}, lost(with(SCRIPT, '"condition":null')))
        assert.same({}, lost '{"components":null}')
        assert.same({ [[/components/0/0/condition {v.id} refers to nothing: there is no 'v', at position 6 of ]]
            .. [["1 == {v.id}"]] }, lost(with(SCRIPT, '"condition":"1 == {v.id}"')))
    end)
end)

describe("warnings of a rule document", function()
    local function warnings_of(text)
        local problems, warnings = find(text)
        assert.same({}, problems)
        return warnings
    end

    it("tell keys that nobody reads", function()
        assert.same({ "/a~1b is not known and ignored", "/request/cookie is not known and ignored",
            "/components/0/0/Method is not known and ignored", "/response/status is not known and ignored" },
            warnings_of('{"a/b":1,"request":{"cookie":{}},"components":[[' .. SCRIPT:format ',"Method":"GET"'
                .. ']],"response":{"status":200}}'))
        assert.same({ "/components/0/0/method is not used by components of type script" },
            warnings_of(with(SCRIPT, '"method":"GET","auth":null')))
    end)

    it("tell references that are always null", function()
        assert.same({ "/components/0/0/input {u.id} is always null: no outputName is 'u'",
            "/components/0/0/condition {v} is always null: no outputName is 'v'" },
            warnings_of(with(SCRIPT, '"input":["{u.id}","{request.body}"],"condition":"{v} == {response.x}"')))
        assert.same({ "/components/0/0/input {u} is always null here: 'u' is set by layer 1, this is layer 1" },
            warnings_of(with(SCRIPT, '"input":"{u}","outputName":"u.v","outputData":"{z}"')))
        assert.same({ "/response/body {x} is always null: no outputName is 'x'" },
            warnings_of '{"response":{"body":"{x}","defaultBody":"{y}"}}')
    end)

    it("tell output names that hide something or cannot be named", function()
        for name, message in pairs { request = "'request' takes the place of a value of the host",
            ["a-b"] = "no reference can name 'a-b': use letters, digits, _" } do
            assert.same({ "/components/0/0/outputName " .. message },
                warnings_of(with(SCRIPT, ('"outputName":"%s"'):format(name))))
        end
        local two = SCRIPT:format ',"outputName":"o"' .. "," .. API:format ',"outputName":"o"'
        assert.same({ "/components/0/1/outputName 'o' is set by another component of the layer too; which one comes "
            .. "last is left to chance" }, warnings_of('{"components":[[' .. two .. "]]}"))
    end)

    it("tell values that count as others", function()
        assert.same({ "/request/type is neither json nor xml, so the body is not read" },
            warnings_of '{"request":{"body":{}}}')
        assert.same({ "/components/0/0/timeout counts as 60 seconds: use 1 to 60" },
            warnings_of(with(SCRIPT, '"timeout":61')))
        assert.same({ "/response/type 'html' counts as json: use json, xml or text" },
            warnings_of '{"response":{"type":"html"}}')
    end)
end)

describe("normalize", function()
    local function normal(text)
        return rule_document.normalize(assert(json.decode(text)))
    end

    local function component(base, more)
        return normal(with(base, more)).components[1][1]
    end

    it("fills in defaults", function()
        assert.same({ record = false, suspend = false, request = { is_wide = true }, components = {} }, normal "{}")
        assert.same({ name = "a", type = "api", url = "http://x", method = "GET", isCache = false, nowResponse = false,
            ignoreError = false, timeout = 60, retryMaxCount = 0, retryMaxWait = 0, requestType = "json" },
            component(API))
        assert.same({ name = "s", type = "script", url = "x.js", isCache = false, nowResponse = false,
            ignoreError = false, timeout = 60, retryMaxCount = 0, retryMaxWait = 0 },
            component(SCRIPT, '"method":"x"'))
    end)

    it("has one spelling", function()
        local own = component(API, '"dataType":"xml","errMsg":"{m}"')
        assert.equal("xml", own.requestType)
        assert.equal("{m}", own.errorMsg)
        assert.is_nil(own.dataType or own.errMsg)
        assert.equal("POST", component((API:gsub("GET", "post"))).method)
        local rule = normal [==[{ "name": "n", "method": "put", "http": "GET /x", "description": "d",
            "durable": "never", "version": "v" }]==]
        assert.same({ "n", "PUT", "GET /x", "d", "never", "v" }, { rule.name, rule.method, rule.http, rule.description,
            rule.durable, rule.version })
    end)

    it("drops what is blank", function()
        local own = component(API, '"condition":" ","responseCondition":"","outputName":"","responseType":"",'
            .. '"input":null,"outputData":null,"desc":"","contentType":"","requestType":""')
        for _, name in ipairs { "condition", "responseCondition", "outputName", "responseType", "input", "outputData",
            "desc", "contentType" } do
            assert.is_nil(own[name])
        end
        assert.equal("json", own.requestType)
        assert.is_nil(normal('{"version":""}').version)
    end)

    it("clamps timeouts", function()
        for given, expected in pairs { ["0"] = 60, ["-5"] = 60, ["61"] = 60, ["1"] = 1, ["60"] = 60, ["null"] = 60 } do
            assert.equal(expected, component(SCRIPT, '"timeout":' .. given).timeout)
        end
    end)

    it("keeps layers where they are, empty ones too", function()
        local api, script = API:format "", SCRIPT:format ""
        local own = normal('{"components":[[],[' .. script .. "],[],[" .. api .. "," .. script .. "],[]]}")
        local counts = {}
        for i, layer in ipairs(own.components) do
            counts[i] = #layer
        end
        assert.same({ 0, 1, 0, 2, 0 }, counts)
        assert.equal("s", own.components[4][2].name)
    end)

    it("has a request block that checks as ps-go does", function()
        local fields = require "flowhost.schema.fields"
        local own = normal '{"request":{"type":"text","body":{"n":{"type":"string","max":null}}}}'
        assert.equal("text", own.request.type)
        local input = { body = { n = 5 } }
        assert.is_nil(fields.check(own.request, input, json))
        assert.equal("5", input.body.n)
        assert.equal("xml", normal('{"request":{"type":"xml"}}').request.type)
    end)

    it("keeps the document as it is", function()
        local document = json.decode(FULL)
        local before = json.encode(document)
        local own = rule_document.normalize(document)
        assert.equal(before, json.encode(document))
        assert.equal("user", own.components[1][1].outputName)
        assert.equal("xml", own.response.type)
        assert.is_nil(normal('{"response":{"type":null,"body":null}}').response.type)
    end)
end)
