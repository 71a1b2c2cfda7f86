-- SPDX-License-Identifier: MIT
-- State machines as flows: tasks, branches, time, what survives a crash; SFC's extensions.
local executions = require "support.executions"

local json = executions.json

local function machine(states, start, more)
    local definition = { StartAt = start, States = states }
    for name, value in pairs(more or {}) do
        definition[name] = value
    end
    return definition
end

local function output_of(definition, input, o)
    local w = executions.new({ m = definition }, o)
    local request = w:play("m", input)
    return request.body and json.decode(request.body), w, request
end

local ADD_NAME = 'return function(ctx, input) input.seen = (input.seen or 0) + 1 return input end'

describe("a state machine", function()
    it("calls a component of its function's name", function()
        local out = output_of(machine({ A = { Type = "Task", Resource = "arn:aws:lambda:us-east-1:1:function:add",
            End = true } }, "A"), { seen = 1 }, { files = { ["components/add.lua"] = ADD_NAME } })
        assert.same({ seen = 2 }, out)
    end)

    it("retries, then catches, with the error's name and text", function()
        local definition = machine({
            A = { Type = "Task", Resource = "arn:aws:lambda:us-east-1:1:function:bad", End = true,
                Retry = json.array { { ErrorEquals = json.array { "States.ALL" }, MaxAttempts = 2,
                    IntervalSeconds = 1 } },
                Catch = json.array { { ErrorEquals = json.array { "NO_LUCK" }, Next = "B", ResultPath = "$.err" } } },
            B = { Type = "Pass", End = true },
        }, "A")
        local out, w, request = output_of(definition, { a = 1 }, { files = { ["components/bad.lua"] =
            'return function() error { code = "NO_LUCK", message = "not today" } end' } })
        assert.same({ a = 1, err = { Error = "NO_LUCK", Cause = "not today" } }, out)
        local kinds = {}
        for _, event in ipairs(executions.history(w, request.answered.headers["flowhost-run"])) do
            kinds[#kinds + 1] = event.type
        end
        assert.same({ "ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted",
            "LambdaFunctionFailed", "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionFailed",
            "LambdaFunctionScheduled", "LambdaFunctionStarted", "LambdaFunctionFailed", "TaskStateExited",
            "PassStateEntered", "PassStateExited", "ExecutionSucceeded" }, kinds)
    end)

    local function types_of(w, request)
        local kinds = {}
        for _, event in ipairs(executions.history(w, request.answered.headers["flowhost-run"])) do
            kinds[#kinds + 1] = event.type
        end
        return kinds
    end

    it("catches what a component says by ctx.fail", function()
        local state = { Type = "Task", Resource = "arn:aws:lambda:us-east-1:1:function:bad", End = true }
        local caught = { Catch = json.array { { ErrorEquals = json.array { "NoItem" }, Next = "B" } } }
        for name, value in pairs(state) do
            caught[name] = value
        end
        local files = { files = { ["components/bad.lua"] =
            'return function(ctx) pcall(ctx.fail, "NoItem", "there is none") return 1 end' } }
        assert.same({ Error = "NoItem", Cause = "there is none" }, (output_of(machine({ A = caught,
            B = { Type = "Succeed" } }, "A"), {}, files)))
        local _, w, request = output_of(machine({ A = state }, "A"), {}, files)
        local run = w:run(request.answered.headers["flowhost-run"])
        assert.same({ "EXECUTION_FAILED", "NoItem: there is none", "NoItem" },
            { run.error.code, run.error.message, run.error.data.error })
        assert.same({ "ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted",
            "LambdaFunctionFailed", "ExecutionFailed" }, types_of(w, request))
    end)

    it("shows its steps at their states", function()
        local branch = { StartAt = "In", States = { In = { Type = "Wait", Seconds = 1, End = true } } }
        local _, w, request = output_of(machine({ A = { Type = "Task", Next = "P",
            Resource = "arn:aws:lambda:us-east-1:1:function:add" }, P = { Type = "Parallel", Next = "W",
            Branches = json.array { branch } }, W = { Type = "Wait", Seconds = 1, End = true } }, "A"), {},
            { files = { ["components/add.lua"] = 'return function(ctx) ctx.step("s", function() return 1 end) end' } })
        w:rest()
        local seen = {}
        for path, entry in pairs((w:entries())) do
            seen[path] = entry.line
        end
        local expected = { ["1"] = "A", ["1.1"] = "components/add.lua:1", ["2"] = "P", ["2.1.1"] = "In", ["3"] = "W" }
        assert.same(expected, seen)

        local row, code = executions.row(w, request.answered.headers["flowhost-run"])
        for _, one in ipairs(w:module("flowhost.engine.rehearsal").play(row, code, { with_steps = true }).items) do
            assert.equal(expected[one.path], one.line)
        end
    end)

    it("has a last event where a component ended the run", function()
        local _, w, request = output_of(machine({ A = { Type = "Task", End = true,
            Resource = "arn:aws:lambda:us-east-1:1:function:stop" } }, "A"), {}, { files = { ["components/stop.lua"] =
            'return function(ctx) ctx.stop "enough" end' } })
        assert.same({ "ExecutionStarted", "TaskStateEntered", "LambdaFunctionScheduled", "LambdaFunctionStarted",
            "ExecutionFailed" }, types_of(w, request))
    end)

    it("ends the other branches when one of a Parallel fails", function()
        local function branch(name, state)
            return { StartAt = name, States = { [name] = state } }
        end
        local w = executions.new { m = machine({ P = { Type = "Parallel", End = true, Branches = json.array {
            branch("W", { Type = "Wait", Seconds = 1000, End = true }),
            branch("F", { Type = "Fail", Error = "E", Cause = "C" }) } } }, "P") }
        local began = w.clock.now
        local request = w:start("m", {})
        w:rest()
        local run = w:run(request.answered.headers["flowhost-run"])
        assert.equal("failed", run.status)
        assert.same({ is_asl = true, error = "E", cause = "C" }, run.error.data)
        assert.equal(began, w.clock.now)
    end)

    it("goes on with a Wait after a crash, at the same events", function()
        local definition = machine({ A = { Type = "Wait", Seconds = 60, Next = "B" },
            B = { Type = "Pass", Result = "done", End = true } }, "A")
        local w = executions.new { m = definition }
        local request = w:start("m", {}, { headers = { prefer = "respond-async" } })
        w:rest()
        local id = request.answered.headers["flowhost-run"]
        local after = w:crash(nil, { seconds_later = 61 })
        after:settle()
        assert.equal("done", after:run(id).output)
        local types = {}
        for i, event in ipairs(executions.history(after, id)) do
            types[i] = event.type
            assert.equal(i, event.id)
        end
        assert.same({ "ExecutionStarted", "WaitStateEntered", "WaitStateExited", "PassStateEntered",
            "PassStateExited", "ExecutionSucceeded" }, types)
    end)

    it("refuses a definition with where and what", function()
        local w = executions.new { m = machine({ A = { Type = "Pass", Next = "Z" } }, "A") }
        assert.equal(2, #w.problems)
        assert.equal("/States/A/Next: MISSING_TRANSITION_TARGET: Missing 'Next' target: Z", w.problems[1].message)
        assert.equal("MISSING_END_STATE: Workflow has no terminal state", w.problems[2].message)
    end)

    it("leaves nothing of an EXPRESS execution", function()
        local out, w = output_of(machine({ A = { Type = "Pass", Result = 1, End = true } }, "A", { Type = "EXPRESS" }))
        assert.equal(1, out)
        assert.same({}, w:ids())
    end)

    it("ends an expression that never does, and others go on", function()
        local w = executions.new { m = machine({ A = { Type = "Pass", QueryLanguage = "JSONata", End = true,
            Output = "{% ($f := function($n) { $f($n + 1) }; $f(0)) %}" } }, "A"),
            ok = machine({ A = { Type = "Pass", End = true } }, "A") }
        local request = w:play("m", {})
        local run = w:run(request.answered.headers["flowhost-run"])
        assert.equal("failed", run.status)
        assert.equal("States.Runtime", run.error.data.error)
        assert.equal(200, w:play("ok", {}).status)
    end)
end)

describe("SFC's extensions", function()
    local function pass(result, next_name)
        return { Type = "Pass", Result = result, Next = next_name }
    end

    it("run its spelling", function()
        local out = output_of({ version = "1", start = "a", states = {
            a = { type = "task", task = "order:split", next = "b" }, b = { type = "succeed" } } }, { n = 1 },
            { files = { ["components/order-split.lua"] = ADD_NAME } })
        assert.same({ n = 1, seen = 1 }, out)
    end)

    it("go on in several branches and once after their Join, with what each brought", function()
        local out = output_of(machine({ A = pass({ a = 0 }, json.array { "B", "C" }), B = pass(1, "J"),
            C = pass(2, "D"), D = pass(3, "J"), J = { Type = "Join", JoinOn = json.array { "B", "D" }, Next = "E" },
            E = { Type = "Pass", End = true } }, "A"))
        assert.same({ B = 1, D = 3 }, out)
    end)

    it("do not wait for what a Choice did not take", function()
        local out = output_of(machine({ A = pass({ a = 0 }, json.array { "B", "C" }), B = pass(1, "J"),
            C = { Type = "Choice", Default = "X", Choices = json.array {
                { Variable = "$.a", NumericEquals = 1, Next = "D" } } },
            D = pass(3, "J"), X = { Type = "Succeed" },
            J = { Type = "Join", JoinOn = json.array { "B", "D" }, End = true } }, "A"))
        assert.same({ B = 1 }, out)
    end)

    it("leave a Join to the branches around it when it waits for more", function()
        local out = output_of(machine({ A = pass(0, json.array { "B", "C" }), B = pass(1, json.array { "D", "E" }),
            C = pass(2, "J"), D = pass(3, "J"), E = pass(4, "J"),
            J = { Type = "Join", JoinOn = json.array { "C", "D", "E" }, End = true } }, "A"))
        assert.same({ C = 2, D = 3, E = 4 }, out)
    end)

    it("fail with the first branch that does", function()
        local _, w, request = output_of(machine({ A = pass(0, json.array { "B", "C" }), B = pass(1, "J"),
            C = { Type = "Fail", Error = "E" }, J = { Type = "Join", JoinOn = json.array { "B" }, End = true } }, "A"))
        assert.equal("E", w:run(request.answered.headers["flowhost-run"]).error.data.error)
    end)
end)

describe("JSONata", function()
    it("of a Choice itself counts where no rule matches", function()
        local state = { Type = "Choice", Output = "default", Assign = { by = "default" }, Default = "B",
            Choices = json.array { { Condition = "{% $states.input.hit %}", Next = "B" } } }
        local definition = machine({ Z = { Type = "Pass", Assign = { by = "nobody" }, Next = "A" }, A = state,
            B = { Type = "Pass", Output = "{% [$states.input, $by] %}", End = true } }, "Z",
            { QueryLanguage = "JSONata" })
        assert.same({ { hit = true }, "nobody" }, (output_of(definition, { hit = true })))
        assert.same({ "default", "default" }, (output_of(definition, { hit = false })))
    end)

    it("has the functions of AWS", function()
        local out = output_of(machine({ A = { Type = "Pass", End = true, Output = { hash =
            "{% $hash('Hello', 'SHA-256') %}", part = "{% $partition([1..3], 2) %}", list = "{% $range(0, 6, 3) %}",
            parsed = "{% $parse('[1, 2]') %}", id = "{% $length($uuid()) %}", same =
            "{% $random(7) = $random(7) %}", name = "{% $states.context.State.Name %}" } } }, "A",
            { QueryLanguage = "JSONata" }), {})
        assert.same({ hash = "185f8db32271fe25f561a6fc938b2e264306ec304eda518007d1764826381969",
            part = { { 1, 2 }, { 3 } }, list = { 0, 3, 6 }, parsed = { 1, 2 }, id = 36, same = true,
            name = "A" }, out)
    end)

    it("gives the same on replay: ids, chance and time", function()
        local w = executions.new { m = machine({ A = { Type = "Pass", Next = "B", Output =
            "{% { 'id': $uuid(), 'r': $random(), 't': $millis() } %}" }, B = { Type = "Wait", Seconds = 5,
            End = true } }, "A", { QueryLanguage = "JSONata" }) }
        w:start("m", {}, { headers = { prefer = "respond-async" } })
        w:rest()
        local id = w:run().id
        local before = executions.history(w, id)[3].stateExitedEventDetails.output
        local after = w:crash(nil, { seconds_later = 60 })
        after:settle()
        assert.equal(before, json.encode(after:run(id).output))
    end)
end)

describe("startExecution", function()
    local child = machine({ A = { Type = "Pass", End = true } }, "A")

    local function start(parameters)
        local w = executions.new { child = child, m = machine({ A = { Type = "Task", End = true,
            Parameters = parameters, Resource = "arn:aws:states:::states:startExecution.sync:2" } }, "A") }
        local request = w:play("m", {})
        return w:run(request.answered.headers["flowhost-run"])
    end

    local ARN = ("arn:aws:states:us-east-1:%s:stateMachine:child"):format(executions.ACCOUNT)

    it("takes a text as the JSON that it is", function()
        for text, value in pairs { ['{"a":[1]}'] = { a = { 1 } }, ['"x"'] = "x", ["5"] = 5 } do
            local output = start({ StateMachineArn = ARN, Input = text }).output
            assert.same({ value, value }, { output.Input, output.Output })
        end
    end)

    it("fails as the API does on what it does not take", function()
        local cases = {
            { { StateMachineArn = ARN, Input = "not" }, "StepFunctions.InvalidExecutionInputException", "Invalid State "
                .. "Machine Execution Input: 'Unrecognized token 'not': was expecting (JSON String, Number, Array, "
                .. "Object or token 'null', 'true' or 'false')' (Service: AWSStepFunctions; Status Code: 400; Error "
                .. "Code: InvalidExecutionInput; Request ID: " },
            { { StateMachineArn = ARN, Name = "a b" }, "StepFunctions.InvalidNameException",
                "Invalid Name: 'a b' (Service: AWSStepFunctions; Status Code: 400; Error Code: InvalidName; " },
            { {}, "States.Runtime", "states:startExecution needs StateMachineArn" },
        }
        for _, case in ipairs(cases) do
            local data = start(case[1]).error.data
            assert.same({ case[2], case[3] }, { data.error, data.cause:sub(1, #case[3]) })
        end
    end)
end)

describe("services", function()
    it("are components that host.lua names by their ARN", function()
        local out = output_of(machine({ A = { Type = "Task", Resource = "arn:aws:states:::sqs:sendMessage", End = true,
            Parameters = { MessageBody = "hi" } } }, "A"), {}, { settings = { aws_resources =
            "arn:aws:states:::sqs:*=queue, arn:aws:states:::sns:publish=topic" }, files = { ["components/queue.lua"] =
            "return function(_, input) return { sent = input } end" } })
        assert.same({ sent = { Resource = "arn:aws:states:::sqs:sendMessage",
            Parameters = { MessageBody = "hi" } } }, out)
    end)

    it("that nobody has named fail the task with what to do", function()
        local _, w, request = output_of(machine({ A = { Type = "Task", Resource = "arn:aws:states:::sns:publish",
            End = true } }, "A"), {})
        local data = w:run(request.answered.headers["flowhost-run"]).error.data
        assert.equal("States.Runtime", data.error)
        assert.matches('aws = { resources = { %["arn:aws:states:::sns:publish"%] = "COMPONENT" } }', data.cause)
    end)
end)

describe("a distributed Map", function()
    local folder

    before_each(function()
        folder = os.tmpname()
        os.remove(folder)
        os.execute("mkdir -p " .. folder .. "/lists")
    end)

    after_each(function()
        os.execute("rm -r " .. folder)
    end)

    local function write(name, text)
        local file = assert(io.open(("%s/lists/%s"):format(folder, name), "w"))
        file:write(text)
        file:close()
    end

    local function map_over(key, config, more)
        local state = { Type = "Map", End = true, ItemReader = { Resource = "arn:aws:states:::s3:getObject",
            ReaderConfig = config, Parameters = { Bucket = "lists", Key = key } },
            ItemProcessor = { ProcessorConfig = { Mode = "DISTRIBUTED", ExecutionType = "STANDARD" }, StartAt = "P",
                States = { P = { Type = "Pass", End = true } } } }
        for name, value in pairs(more or {}) do
            state[name] = value
        end
        return (output_of(machine({ M = state }, "M"), {}, { settings = { aws_buckets = folder } }))
    end

    it("reads its items from files", function()
        write("a.json", '[1,{"b":2}]')
        write("a.jsonl", '{"n":1}\n{"n":2}\n')
        write("a.csv", 'name,age\nAda,36\n"Grace, H.",85\n')
        assert.same({ 1, { b = 2 } }, map_over("a.json", { InputType = "JSON" }))
        assert.same({ { n = 1 }, { n = 2 } }, map_over("a.jsonl", { InputType = "JSONL" }))
        assert.same({ { name = "Ada", age = "36" }, { name = "Grace, H.", age = "85" } },
            map_over("a.csv", { InputType = "CSV", CSVHeaderLocation = "FIRST_ROW" }))
        assert.same({ 1 }, map_over("a.json", { InputType = "JSON", MaxItems = 1 }))
    end)

    it("gives batches", function()
        write("a.json", "[1,2,3]")
        assert.same({ { Items = { 1, 2 }, BatchInput = { k = "v" } }, { Items = { 3 }, BatchInput = { k = "v" } } },
            map_over("a.json", { InputType = "JSON" }, { ItemBatcher = { MaxItemsPerBatch = 2,
                BatchInput = { k = "v" } } }))
    end)

    it("never reads outside of its folder", function()
        local refused = map_over("../../etc/passwd", { InputType = "JSONL" })
        assert.equal("EXECUTION_FAILED", refused.code)
        assert.matches("cannot be read: a bucket is a folder's name, a key the path of a file in it", refused.detail,
            1, true)
    end)

    it("says why an object cannot be read", function()
        assert.matches('The object "none" of the bucket "lists" cannot be read: No such file or directory',
            map_over("none", { InputType = "JSON" }).detail, 1, true)
        assert.matches("cannot be read: Is a directory", map_over(".", { InputType = "JSON" }).detail, 1, true)
    end)
end)

describe("map runs", function()
    it("are listed and found by their id, with what became of their children", function()
        local w = executions.new { m = machine({ M = { Type = "Map", Label = "L", End = true,
            ToleratedFailureCount = 1, ItemProcessor = { ProcessorConfig = { Mode = "DISTRIBUTED",
                ExecutionType = "STANDARD" }, StartAt = "C", States = {
                C = { Type = "Choice", Default = "P", Choices = json.array { { Variable = "$", NumericEquals = 2,
                    Next = "F" } } },
                P = { Type = "Pass", End = true }, F = { Type = "Fail" } } } } }, "M") }
        local request = w:play("m", { 1, 2, 3 })
        assert.same({ 1, 3 }, json.decode(request.body))
        local row = executions.row(w, request.answered.headers["flowhost-run"])
        local map_runs = w:module "flowhost.ctx.asl_map_runs"
        local found = map_runs.list(row)
        assert.equal(1, #found)
        local counts = { total = 3, running = 0, succeeded = 2, failed = 1, pending = 0, aborted = 0,
            resultsWritten = 2 }
        assert.same(counts, found[1].executions)
        assert.same(counts, found[1].items)
        assert.equal("SUCCEEDED", found[1].status)
        local same = map_runs.find({ name = "m" }, "L", found[1].uuid)
        assert.same(counts, same.executions)
        assert.is_nil(map_runs.find({ name = "m" }, "other", found[1].uuid))
        assert.is_nil(map_runs.find({ name = "m" }, "L", "00000000-0000-0000-0000-000000000001"))
    end)
end)

describe("the history of an execution", function()
    it("is there when its release is not any more", function()
        local definition = machine({ A = { Type = "Pass", Result = 1, End = true } }, "A")
        local w = executions.new { m = definition }
        local id = w:play("m", {}).answered.headers["flowhost-run"]
        local row = executions.row(w, id)
        row.release = ("0"):rep(64) -- none that the store has
        assert.is_nil((w:module("flowhost.engine.catalog").find_code(row)))
        local code = w:module("flowhost.engine.machine_code").find(row)
        assert.equal(4, #w:module("flowhost.ctx.asl_history").events(row, code))
    end)
end)
