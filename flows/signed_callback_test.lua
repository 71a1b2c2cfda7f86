local test = require "flowhost.test"

local BODY = '{ "order": 17 }'
local AT = "1700000000"
-- printf '1700000000.{ "order": 17 }' | openssl dgst -sha256 -hmac 'good for nothing but the demo'
local SIGNATURE = "7e730c27f6863cac606b1b52f617bc6be82b5b0585c7d96d321d877e992d2b95"

local function call(body, signature)
    return test.http("POST", "/signed_callback", {
        body = body, headers = { ["x-time"] = AT, ["x-signature"] = signature },
    })
end

test.case("takes what the partner signed", function()
    local answer = call(BODY, SIGNATURE)
    test.equal(answer.status, 200)
    test.equal(answer.json, { paid = 17 })
end)

test.case("refuses another body", function()
    test.equal(call('{ "order": 18 }', SIGNATURE).status, 401)
end)

test.case("refuses another signature", function()
    test.equal(call(BODY, SIGNATURE:gsub("^.", "x")).status, 401)
end)

test.crash_at_each_step("signed_callback", { body = { order = 17 }, raw = BODY,
    header = { ["x-time"] = AT, ["x-signature"] = SIGNATURE } })
