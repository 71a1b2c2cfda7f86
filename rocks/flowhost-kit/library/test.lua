---@meta flowhost.test
-- SPDX-License-Identifier: MIT
-- What `require "flowhost.test"` is in NAME_test.lua. docs/guide/testing.md says more.

---A request that a flow sent.
---@class flowhost.test.Request
---@field method string
---@field url string
---@field path string
---@field query table<string, string>
---@field headers table<string, string>  names in lower case
---@field body? string
---@field json? any            the body, when it is JSON
---@field params? table<string, string>  of {name} in the mock's url
---@field idempotency_key? string
---@field run? string          id of the run
---@field flow? string
---@field step? string         path of the step
---@field line? string         "file:12"

---@class flowhost.test.Answer
---@field status? integer      default 200
---@field json? any
---@field body? string
---@field headers? table<string, any>
---@field delay? number        seconds
---@field error? string        "NETWORK", "TIMEOUT", "TLS": the call fails
---@field message? string

---@class flowhost.test.Result
---@field value? any
---@field error? string        the component's error code
---@field message? string
---@field delay? number        seconds

---@class flowhost.test.Mock
---@field requests flowhost.test.Request[]  those it answered in this case
---@field inputs any[]         those it was called with in this case
---@field times integer        how often it was asked

---@class flowhost.test.Step
---@field path string         "2.1"
---@field kind string         "request", "step", "sleep" ...
---@field name string
---@field status "succeeded"|"failed"|"running"|"waiting"|"suspended"|"cancelled"
---@field output any
---@field error? flowhost.Error
---@field attempts integer
---@field line? string        "file:12"

---@class flowhost.test.Task
---@field input any
---@field succeed fun(self: flowhost.test.Task, output?: flowhost.Json): flowhost.test.Task
---@field fail fun(self: flowhost.test.Task, error?: string, cause?: string): flowhost.test.Task
---@field heartbeat fun(self: flowhost.test.Task): flowhost.test.Task

---@class flowhost.test.Run
---@field id string
---@field flow string
---@field version string
---@field status "waiting"|"suspended"|"succeeded"|"failed"|"broken"|"cancelled"|"timed_out"
---@field input any
---@field output any
---@field error? flowhost.Error
---@field response? { status: integer, body: any, headers: table<string, string>? }  what ctx.response answered
---@field steps flowhost.test.Step[]  in order of their paths
---@field requests flowhost.test.Request[]
---@field logs { level: string, message: string }[]
---@field journal table[]     as GET /v1/runs/{id}/journal
---@field why string          what it waits for, in a sentence
---@field is_done boolean
local Run = {}

---Lets so much time pass.
---@param seconds number
---@return flowhost.test.Run
function Run:advance(seconds) end

---Lets as much time pass as it takes: until the run has ended, or waits for what time does not bring.
---@return flowhost.test.Run
function Run:finish() end

---Lets a suspended run go on.
---@param o? table  as POST /v1/runs/{id}/recover
---@return flowhost.test.Run
function Run:recover(o) end

---Ends the run.
---@param reason? string
---@return flowhost.test.Run
function Run:cancel(reason) end

---Sends a signal; of two with one id only the first counts.
---@param name string
---@param data? flowhost.Json
---@param id? string
---@return flowhost.test.Run
function Run:signal(name, data, id) end

---A new run that begins with the steps of this one.
---@param o? table  as POST /v1/runs/{id}/fork
---@return flowhost.test.Run
function Run:fork(o) end

---@class flowhost.test.Http
---@field status? integer
---@field headers? table<string, string>
---@field body? string
---@field json? any
---@field run? flowhost.test.Run
---@field is_waiting? boolean  there is no answer as long as no time passes

---@class flowhost.Test
local test = {}

---A request that is never answered: it ends by its timeout.
test.never = {}

---A request that a flow of the folder answers, through its own route.
test.served = {}

---One test, in a world of its own.
---@param name string
---@param fn fun()
function test.case(name, fn) end

---Answers requests: of the whole file, or of the case it is called in. The newest that fits wins.
---@param method string  "GET", "POST" ... or "*"
---@param url string     a path or a whole url; "*" is any text, "{name}" one part of a path
---@param answer flowhost.test.Answer|flowhost.test.Answer[]|fun(request: flowhost.test.Request): flowhost.test.Answer
---@return flowhost.test.Mock
function test.mock_request(method, url, answer) end

---Stands for a component, of the folder or of the program.
---@param name string
---@param answer flowhost.test.Result|flowhost.test.Result[]|fun(input: any): any
---@return flowhost.test.Mock
function test.mock_component(name, answer) end

---Stands for a flow that is called as a child.
---@param name string
---@param answer flowhost.test.Result|flowhost.test.Result[]|fun(input: any): any
---@return flowhost.test.Mock
function test.mock_flow(name, answer) end

---Sets what flows read as ctx.env, over host.lua: for the file, or the case.
---@param values table<string, string|number|boolean>
function test.env(values) end

---Sets the secrets that flows find by ctx.secret: for the file, or the case.
---@param values table<string, string>
function test.secrets(values) end

---Sets the virtual clock, before the first run.
---@param seconds number  unix time
function test.clock(seconds) end

---Starts a flow; returns once nothing can happen without time passing.
---@param flow string
---@param input? flowhost.Json
---@param o? { headers: table<string, any>?, key: string? }
---@return flowhost.test.Run
function test.run(flow, input, o) end

---Calls a flow's own route, a link that a flow made, or the host's API.
---@param method string
---@param path string  or a whole url
---@param o? { json: any, body: string?, headers: table<string, any>?, query: table<string, string>? }
---@return flowhost.test.Http
function test.http(method, path, o) end

---Plays a run, then goes on with it after every batch it wrote: the end must be the same, and no recorded effect is
---repeated. Outside of a case it is one.
---@param flow string
---@param input? flowhost.Json
---@param script? fun(run: flowhost.test.Run)  signals, time, recover; played anew after each crash
function test.crash_at_each_step(flow, input, script) end

---Takes the oldest task of a queue (ctx.task) as a worker does; nil when there is none.
---@param queue string
---@return flowhost.test.Task?
function test.task(queue) end

---All runs of the case, also those that flows started, oldest first.
---@param filter? { flow: string?, status: string?, tag: string? }
---@return flowhost.test.Run[]
function test.runs(filter) end

---All requests of the case, in order.
---@return flowhost.test.Request[]
function test.requests() end

---The virtual clock.
---@return number seconds  unix time
function test.now() end

---Lets so much time pass for all runs.
---@param seconds number
function test.advance(seconds) end

---The text of a .lua or .json file of the folder.
---@param path string
---@return string
function test.file(path) end

---Fails unless both are the same, in any depth.
---@generic T
---@param actual T
---@param expected any
---@param what? string
---@return T
function test.equal(actual, expected, what) end

---Fails unless `actual` has all that `expected` names.
---@generic T
---@param actual T
---@param expected any
---@param what? string
---@return T
function test.contains(actual, expected, what) end

---Fails unless the text has a part like the Lua pattern.
---@param text string
---@param pattern string
---@param what? string
---@return string
function test.matches(text, pattern, what) end

---Fails unless fn raises an error, of this code if one is given. Returns the error.
---@param fn fun()
---@param code? string
---@return any
function test.fails(fn, code) end

---JSON, as ctx.json.
test.json = {}

---@param value any
---@return string
function test.json.encode(value) end

---@param text string
---@return any
function test.json.decode(text) end

---@generic T
---@param list? T[]
---@return T[]
function test.json.array(list) end

---@type userdata
test.json.null = nil

return test
