local test = require "flowhost.test"

test.case("greets by name", function()
    local answer = test.http("GET", "/hello", { query = { name = "Ada" } })
    test.equal(answer.status, 200)
    test.equal(answer.json, { hello = "Ada" })
end)

test.case("greets the world", function()
    test.equal(test.run("hello").output, { hello = "world" })
end)

test.crash_at_each_step("hello", { query = { name = "Ada" } })
