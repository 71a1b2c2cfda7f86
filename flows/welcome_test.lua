local test = require "flowhost.test"

local INPUT = { body = { phone = "13800000000" } }

test.case("calls the component", function()
    local component = test.mock_component("send_message", function()
        return { sent = true }
    end)
    test.equal(test.run("welcome", INPUT).output, { sent = true })
    test.equal(component.inputs, { { phone = "13800000000", text = "welcome" } })
end)

test.mock_request("POST", "/demo/messages", { json = { sent = true, id = 5 } })

test.case("the component leaves out what nobody asked for", function()
    test.equal(test.run("welcome", INPUT).output, { sent = true })
end)

test.crash_at_each_step("welcome", INPUT)
