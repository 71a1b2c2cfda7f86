-- SPDX-License-Identifier: MIT
-- What becomes of the results of a distributed Map: in the state's result, in files; and what its children know.
local executions = require "support.executions"

local json = executions.json

local folder, w

before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    os.execute("mkdir -p " .. folder .. "/lists")
end)

after_each(function()
    os.execute("rm -r " .. folder)
end)

local function read(path)
    local file = assert(io.open(("%s/lists/%s"):format(folder, path)))
    local text = file:read "*a"
    file:close()
    return text
end

--- Children give their input back; "bad" lets one fail.
local CHILD = { ProcessorConfig = { Mode = "DISTRIBUTED", ExecutionType = "STANDARD" }, StartAt = "C", States = {
    C = { Type = "Choice", Default = "P", Choices = json.array { { Variable = "$", StringEquals = "bad",
        Next = "F" } } },
    P = { Type = "Pass", End = true }, F = { Type = "Fail", Error = "No", Cause = "bad" } } }

local function map(items, writer, processor)
    w = executions.new({ m = { StartAt = "M", States = { M = { Type = "Map", Label = "L", End = true,
        ToleratedFailureCount = 1, ItemProcessor = processor or CHILD, ResultWriter = writer } } } },
        { settings = { aws_buckets = folder } })
    return json.decode(w:play("m", items).body)
end

local function without_times(shown)
    for _, name in ipairs { "StartDate", "StopDate" } do
        assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", shown[name])
        shown[name] = nil
    end
    return shown
end

local function names_of(shown)
    assert.matches("^arn:aws:states:us%-east%-1:123456789012:execution:m/L:%x+%-%x+%-%x+%-%x+%-%x+$",
        shown.ExecutionArn)
    return { ExecutionArn = shown.ExecutionArn, Name = shown.ExecutionArn:match "[^:]+$",
        StateMachineArn = "arn:aws:states:us-east-1:123456789012:stateMachine:m/L" }
end

local function assert_child(expected, shown)
    for name, value in pairs(names_of(shown)) do
        expected[name] = value
    end
    expected.InputDetails, expected.RedriveCount = { Included = true }, 0
    assert.same(expected, without_times(shown))
end

local function failed_child(shown)
    assert_child({ Input = '"bad"', Status = "FAILED", Error = "No", Cause = "bad",
        RedriveStatus = "REDRIVABLE_BY_MAP_RUN" }, shown)
end

local function good_child(output, shown)
    assert_child({ Input = output, Output = output, OutputDetails = { Included = true }, Status = "SUCCEEDED",
        RedriveStatus = "NOT_REDRIVABLE", RedriveStatusReason = "Execution is SUCCEEDED and cannot be redriven" },
        shown)
end

describe("the result of a distributed Map", function()
    it("has the outputs, as they are or flattened", function()
        assert.same({ { 1, 2 }, 3 }, map { { 1, 2 }, 3 })
        assert.same({ { 1, 2 }, 3 }, map({ { 1, 2 }, 3 }, { WriterConfig = { Transformation = "COMPACT" } }))
        assert.same({ 1, { 2 }, 3, {} }, map({ { 1, { 2 } }, 3, json.array {}, { {} } },
            { WriterConfig = { Transformation = "FLATTEN", OutputType = "JSON" } }))
    end)

    it("has the children with what they brought", function()
        local shown = map({ { a = 1 }, "bad" }, { WriterConfig = { Transformation = "NONE" } })
        assert.equal(2, #shown)
        good_child('{"a":1}', shown[1])
        failed_child(shown[2])
        assert.are_not.equal(shown[1].Name, shown[2].Name)
    end)

    it("shows failed children wherever a form is asked for", function()
        assert.same({ 1 }, map { "bad", 1 })
        local shown = map({ "bad", 1 }, { WriterConfig = { Transformation = "FLATTEN" } })
        assert.equal(2, #shown)
        failed_child(shown[1])
        assert.equal(1, shown[2])
    end)
end)

describe("a ResultWriter", function()
    local function write(items, config, processor)
        local result = map(items, { Resource = "arn:aws:states:::s3:putObject",
            Parameters = { Bucket = "lists", Prefix = "out" }, WriterConfig = config }, processor)
        local manifest = json.decode(read(result.ResultWriterDetails.Key))
        assert.equal(result.MapRunArn, manifest.MapRunArn)
        return manifest.ResultFiles
    end

    it("writes children that succeeded and that failed apart", function()
        local files = write({ 1, "bad", 2 })
        assert.same({}, files.PENDING)
        local text = read(files.SUCCEEDED[1].Key)
        assert.equal(#text, files.SUCCEEDED[1].Size)
        local shown = json.decode(text)
        assert.equal(2, #shown)
        good_child("1", shown[1])
        good_child("2", shown[2])
        assert.matches("/FAILED_0%.json$", files.FAILED[1].Key)
        shown = json.decode(read(files.FAILED[1].Key))
        assert.equal(1, #shown)
        failed_child(shown[1])
    end)

    local function without_end(path)
        return (read(path):gsub('("StopDate":")[^"]*', "%1"))
    end

    it("writes the same again after a death at any moment, but for the times of what was not done", function()
        local slow = { ProcessorConfig = CHILD.ProcessorConfig, StartAt = "W", States = { C = CHILD.States.C,
            W = { Type = "Wait", Seconds = 1, Next = "C" }, P = CHILD.States.P, F = CHILD.States.F } }
        local files = write({ 1, "bad", 2 }, nil, slow)
        local paths = { files.SUCCEEDED[1].Key, files.FAILED[1].Key,
            (files.FAILED[1].Key:gsub("FAILED.*", "manifest.json")) }
        local texts, output = {}, json.encode(w:run().output)
        for i, path in ipairs(paths) do
            texts[i] = without_end(path)
        end
        local deaths = 0
        for count = 1, w:applied() - 1 do
            for _, path in ipairs(paths) do
                os.remove(("%s/lists/%s"):format(folder, path))
            end
            local again = w:crash(count)
            again:settle()
            if again:ids()[1] then
                deaths = deaths + 1
                assert.equal(output, json.encode(again:run().output))
                for i, path in ipairs(paths) do
                    assert.equal(texts[i], without_end(path))
                end
            end
        end
        assert.is_true(deaths > 0)
    end)

    it("writes outputs, as lines", function()
        local files = write({ { 1, 2 }, { x = "y" } }, { Transformation = "FLATTEN", OutputType = "JSONL" })
        assert.same({}, files.FAILED)
        assert.matches("/SUCCEEDED_0%.jsonl$", files.SUCCEEDED[1].Key)
        assert.equal('1\n2\n{"x":"y"}\n', read(files.SUCCEEDED[1].Key))
    end)
end)

describe("a child", function()
    it("knows itself as an execution of its own", function()
        local shown = map({ "one" }, nil, { ProcessorConfig = CHILD.ProcessorConfig, StartAt = "P", States = {
            P = { Type = "Pass", End = true, Parameters = { ["id.$"] = "$$.Execution.Id", ["name.$"] =
                "$$.Execution.Name", ["input.$"] = "$$.Execution.Input", ["machine.$"] = "$$.StateMachine" } } } })
        local name = shown[1].name
        assert.same({ id = "arn:aws:states:us-east-1:123456789012:execution:m/L:" .. name, name = name, input = "one",
            machine = { Id = "arn:aws:states:us-east-1:123456789012:stateMachine:m/L", Name = "m/L" } }, shown[1])
        local row = executions.row(w, w:play("m", { "one" }).answered.headers["flowhost-run"])
        local map_runs = w:module "flowhost.ctx.asl_map_runs"
        local map_run = map_runs.list(row)[1]
        local child, of = map_runs.find_child({ name = "m" }, "L", map_run.children[1].name)
        assert.equal(map_run.uuid, of.uuid)
        assert.equal("SUCCEEDED", child.status)
        local kinds = {}
        for id, event in ipairs(child.events) do
            assert.equal(id, event.id)
            kinds[id] = event.type
        end
        assert.same({ "ExecutionStarted", "PassStateEntered", "PassStateExited", "ExecutionSucceeded" }, kinds)
        assert.is_nil(map_runs.find_child({ name = "m" }, "other", map_run.children[1].name))
        assert.is_nil(map_runs.find_child({ name = "m" }, "L", map_run.uuid))
    end)
end)
