-- SPDX-License-Identifier: MIT
-- SFC's spellings of a definition, as Amazon States Language.
local canonical = require "flowhost.dialect.asl.canonical"
local json = require "support.json"

local function convert(text)
    local given = assert(json.decode(text))
    local converted, list = canonical.convert(given, json)
    assert.equal(json.encode(json.decode(text)), json.encode(given))
    return converted, list
end

--- What a state "a" of these fields becomes.
local function state_of(text)
    return convert(('{"states":{"a":%s}}'):format(text)).States.a
end

local function assert_state(expected, text)
    assert.equal(json.encode(json.decode(expected)), json.encode(state_of(text)))
end

describe("a definition of SFC", function()
    it("is respelled at the top", function()
        local made, list = convert '{"comment":"c","version":"1","start":"a","states":{},"timeout":5}'
        assert.equal('{"Comment":"c","StartAt":"a","States":{},"TimeoutSeconds":5,"Version":"1"}', json.encode(made))
        assert.equal(5, #list)
        assert.same({ location = "/start", from = "start", to = "StartAt" }, list[2])
        made = convert '{"schemaVersion":"1","Version":"2","startstate":"a","states":{}}'
        assert.equal('{"StartAt":"a","States":{},"Version":"2"}', json.encode(made))
    end)

    it("is respelled in a task", function()
        assert_state('{"Type":"Task","Resource":"arn:flowhost:task:::orders:split","Mode":"Async","Next":"b"}',
            '{"type":"task","task":"orders:split","task_type":"async","next":"b"}')
        assert_state('{"Type":"Task","Resource":"arn:aws:lambda:::function:f","Mode":"Sync","End":true}',
            '{"Type":"Task","Processor":"arn:aws:lambda:::function:f","Mode":"Sync","End":true}')
        assert_state('{"InputPath":"$.a","Parameters":{"x":1},"ResultPath":"$","OutputPath":"$.b","TimeoutSeconds":3}',
            '{"input_path":"$.a","paramters":{"x":1},"result_path":"$.","output_path":"$.b","timeout":3}')
    end)

    it("is respelled in what is tried again", function()
        assert_state([[{"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":2,"IntervalSeconds":9,"BackoffRate":1}]}]],
            '{"retry":2,"wait_before_retry":9}')
        assert_state('{"Retry":[{"ErrorEquals":["States.ALL"],"MaxAttempts":0,"BackoffRate":1}]}', '{"retry":0}')
        assert_state('{"Retry":[],"retry":1}', '{"Retry":[],"retry":1}')
    end)

    it("is respelled in choices by the values compared with", function()
        assert_state([[{"Type":"Choice","Choices":[{"Variable":"$.a","StringEquals":"x","Next":"b"},
            {"Not":{"Variable":"$.a","NumericEquals":1},"Next":"c"},{"Variable":"$.a","BooleanEquals":true,"Next":"d"},
            {"Variable":"$.a","IsNull":true,"Next":"e"},
            {"And":[{"Variable":"$.a","NumericLessThan":3}],"Next":"f"}],"Default":"g"}]],
            [[{"type":"choice","choices":[{"variable":"$.a","eq":"x","next":"b"},{"variable":"$.a","neq":1,"next":"c"},
            {"variable":"$.a","eq":true,"next":"d"},{"variable":"$.a","eq":null,"next":"e"},
            {"and":[{"variable":"$.a","lt":3}],"next":"f"}],"default":"g"}]])
    end)

    it("keeps its join", function()
        assert_state('{"Type":"Join","JoinOn":["b","c"],"End":true}', '{"type":"join","join_on":["b","c"],"end":true}')
    end)

    it("is respelled inside of branches and maps", function()
        assert_state('{"Branches":[{"StartAt":"x","States":{"x":{"Type":"Pass"}}}]}',
            '{"branches":[{"start":"x","states":{"x":{"type":"pass"}}}]}')
        assert_state('{"ItemProcessor":{"StartAt":"x","States":{"x":{"Type":"Pass"}}}}',
            '{"ItemProcessor":{"start":"x","states":{"x":{"type":"pass"}}}}')
    end)

    it("that is ASL stays as it is", function()
        local text = '{"StartAt":"a","States":{"a":{"Type":"Pass","Parameters":{"type":"task","next":1},"End":true}}}'
        local made, list = convert(text)
        assert.equal(json.encode(json.decode(text)), json.encode(made))
        assert.same({}, list)
    end)

    it("keeps what has both names for the validator", function()
        assert_state('{"Next":"b","next":"c"}', '{"Next":"b","next":"c"}')
        local made = convert '{"states":[1],"start":{"x":1}}'
        assert.equal('{"StartAt":{"x":1},"States":[1]}', json.encode(made))
        assert.equal(7, (canonical.convert(7, json)))
    end)
end)
