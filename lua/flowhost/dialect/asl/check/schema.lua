-- SPDX-License-Identifier: MIT
-- The fields of Amazon States Language, as data: which objects have which fields, of which kind, in which query
-- language, which must be there and which exclude each other. Read by check/object.lua; the kinds are in
-- check/kinds.lua and check/parts.lua. Source: states-language.net and what AWS was recorded with.
--
--   object = { fields = { name = field }, required = names, exclusive = lists of names, one_of = lists of names }
--   field  = { kind, only = "JSONPath" | "JSONata" | nil, min, max (of numbers), values (of enums), dynamic = true
--              where an expression may stand for the value in JSONata, offers = a field of $states that is there for
--              this field, object (of kind "object") }

local M = {}

local PATH, JSONATA = "JSONPath", "JSONata"

local function field(kind, more)
    local own = { kind = kind }
    for key, value in pairs(more or {}) do
        own[key] = value
    end
    return own
end

local function object(fields, more)
    local own = { fields = fields, required = {}, exclusive = {}, one_of = {} }
    for key, value in pairs(more or {}) do
        own[key] = value
    end
    return own
end

--- All entries of the tables, as one.
local function join(...)
    local all = {}
    for i = 1, select("#", ...) do
        for key, value in pairs((select(i, ...))) do
            all[key] = value
        end
    end
    return all
end

local SECONDS = 99999999
local path_template = field("template", { only = PATH })
local data_template = field("template", { only = JSONATA })
local reference = field("reference", { only = PATH })
local comment, text = field "string", field "string"

local ANY = {
    Type = field "string", Comment = comment, QueryLanguage = field("enum", { values = { PATH, JSONATA } }),
}
local PATHS = { InputPath = field("path", { only = PATH }), OutputPath = field("path", { only = PATH }) }
local OUTPUT = { Output = data_template, Assign = field "assign" }

--- Output and Assign where $states has a field more.
local function output_with(offers)
    return { Output = field("template", { only = JSONATA, offers = offers }),
        Assign = field("assign", { offers = offers }) }
end

local RESULT_OUTPUT, ERROR_OUTPUT = output_with "result", output_with "errorOutput"
local FLOW = { Next = field "next", End = field "boolean" }
local RESULT = { ResultPath = field("result_path", { only = PATH }), ResultSelector = path_template }
local ARGUMENTS = { Parameters = path_template, Arguments = data_template }
local ERRORS = { Retry = field "retry", Catch = field "catch" }
local NEXT_OR_END = { "Next", "End" }

local function seconds(min)
    return field("integer", { min = min, max = SECONDS, dynamic = true })
end

M.CREDENTIALS = object({ RoleArn = field("string", { dynamic = true }), ["RoleArn.$"] = field("reference_or_intrinsic",
    { only = PATH }) }, { is_open = true })

M.RETRIER = object({
    ErrorEquals = field "errors", IntervalSeconds = field("integer", { min = 1, max = SECONDS }),
    MaxAttempts = field("integer", { min = 0, max = SECONDS }), BackoffRate = field("number", { min = 1 }),
    MaxDelaySeconds = field("integer", { min = 1, max = 31622400 }), Comment = comment,
    JitterStrategy = field("enum", { values = { "FULL", "NONE" } }),
}, { required = { "ErrorEquals" } })

M.CATCHER = object({
    ErrorEquals = field "errors", Next = field "next", ResultPath = field("result_path", { only = PATH }),
    Output = ERROR_OUTPUT.Output, Assign = ERROR_OUTPUT.Assign, Comment = comment,
}, { required = { "ErrorEquals", "Next" } })

M.READER_CONFIG = object({
    InputType = field("enum", { values = { "CSV", "JSON", "JSONL", "MANIFEST", "PARQUET" } }),
    Transformation = field("enum", { values = { "NONE", "LOAD_AND_FLATTEN" } }),
    ManifestType = field("enum", { values = { "S3_INVENTORY", "ATHENA_DATA" } }),
    CSVHeaderLocation = field("enum", { values = { "FIRST_ROW", "GIVEN" } }), CSVHeaders = field "strings",
    CSVDelimiter = field("enum", { values = { "COMMA", "PIPE", "SEMICOLON", "SPACE", "TAB" } }),
    MaxItems = field("integer", { min = 0, max = 100000000, dynamic = true }), MaxItemsPath = reference,
    ItemsPointer = text,
}, { exclusive = { { "MaxItems", "MaxItemsPath" } } })

M.ITEM_READER = object({
    Resource = field "resource", Parameters = path_template, Arguments = data_template,
    ReaderConfig = field "reader_config",
}, { required = { "Resource" } })

M.ITEM_BATCHER = object({
    MaxItemsPerBatch = field("integer", { min = 0, dynamic = true }), MaxItemsPerBatchPath = reference,
    MaxInputBytesPerBatch = field("integer", { min = 0, max = 262144, dynamic = true }),
    MaxInputBytesPerBatchPath = reference, BatchInput = field "template",
}, { exclusive = { { "MaxItemsPerBatch", "MaxItemsPerBatchPath" },
    { "MaxInputBytesPerBatch", "MaxInputBytesPerBatchPath" } } })

M.WRITER_CONFIG = object {
    OutputType = field("enum", { values = { "JSON", "JSONL" } }),
    Transformation = field("enum", { values = { "NONE", "COMPACT", "FLATTEN" } }),
}

M.RESULT_WRITER = object {
    Resource = field "resource", Parameters = path_template, Arguments = data_template,
    WriterConfig = field("object", { object = "WRITER_CONFIG" }),
}

M.PROCESSOR_CONFIG = object {
    Mode = field("enum", { values = { "INLINE", "DISTRIBUTED" } }),
    ExecutionType = field("enum", { values = { "STANDARD", "EXPRESS" } }),
}

local CONTAINER = { StartAt = text, States = field "states", Comment = comment }
local CONTAINER_REQUIRES = { "States", "StartAt" }

M.BRANCH = object(CONTAINER, { required = CONTAINER_REQUIRES })
M.PROCESSOR = object(join(CONTAINER, { ProcessorConfig = field("object", { object = "PROCESSOR_CONFIG" }) }),
    { required = CONTAINER_REQUIRES })
M.MACHINE = object(join(CONTAINER, {
    Version = text, TimeoutSeconds = field("integer", { min = 1, max = SECONDS }), QueryLanguage = ANY.QueryLanguage,
}), { required = CONTAINER_REQUIRES })

M.STATE = {}

M.STATE.Pass = object(join(ANY, PATHS, OUTPUT, FLOW, {
    Parameters = path_template, Result = field("result", { only = PATH }),
    ResultPath = RESULT.ResultPath,
}), { one_of = { NEXT_OR_END } })

M.STATE.Task = object(join(ANY, PATHS, RESULT_OUTPUT, FLOW, RESULT, ARGUMENTS, ERRORS, {
    Resource = field "resource", Credentials = field "credentials",
    TimeoutSeconds = seconds(1), TimeoutSecondsPath = reference,
    HeartbeatSeconds = seconds(1), HeartbeatSecondsPath = reference,
    Mode = field("enum", { values = { "Sync", "Async" } }),
}), { required = { "Resource" }, one_of = { NEXT_OR_END }, exclusive = {
    { "TimeoutSeconds", "TimeoutSecondsPath" }, { "HeartbeatSeconds", "HeartbeatSecondsPath" } } })

M.STATE.Choice = object(join(ANY, PATHS, OUTPUT, { Choices = field "choices", Default = field "next" }),
    { required = { "Choices" } })

M.STATE.Wait = object(join(ANY, PATHS, OUTPUT, FLOW, {
    Seconds = seconds(0), SecondsPath = reference, Timestamp = field("timestamp", { dynamic = true }),
    TimestampPath = reference,
}), { one_of = { NEXT_OR_END, { "Seconds", "SecondsPath", "Timestamp", "TimestampPath" } } })

M.STATE.Succeed = object(join(ANY, PATHS, { Output = data_template }))

M.STATE.Fail = object(join(ANY, {
    Error = field("string", { dynamic = true }), ErrorPath = field("reference_or_intrinsic", { only = PATH }),
    Cause = field("string", { dynamic = true }), CausePath = field("reference_or_intrinsic", { only = PATH }),
}), { exclusive = { { "Error", "ErrorPath" }, { "Cause", "CausePath" } } })

M.STATE.Parallel = object(join(ANY, PATHS, RESULT_OUTPUT, FLOW, RESULT, ARGUMENTS, ERRORS, {
    Branches = field "branches",
}), { required = { "Branches" }, one_of = { NEXT_OR_END } })

M.STATE.Map = object(join(ANY, PATHS, RESULT_OUTPUT, FLOW, RESULT, ERRORS, {
    ItemProcessor = field "processor", Iterator = field "processor", Parameters = path_template,
    ItemsPath = field("items_path", { only = PATH }), Items = field("items", { only = JSONATA }),
    ItemSelector = field "template", ItemReader = field("object", { object = "ITEM_READER" }),
    ItemBatcher = field("object", { object = "ITEM_BATCHER" }),
    ResultWriter = field("object", { object = "RESULT_WRITER" }), Label = field "label",
    MaxConcurrency = field("integer", { min = 0, dynamic = true }), MaxConcurrencyPath = reference,
    ToleratedFailureCount = field("integer", { min = 0, dynamic = true }), ToleratedFailureCountPath = reference,
    ToleratedFailurePercentage = field("number", { min = 0, max = 100, dynamic = true }),
    ToleratedFailurePercentagePath = reference,
}), { one_of = { NEXT_OR_END, { "ItemProcessor", "Iterator" } }, exclusive = {
    { "ItemSelector", "Parameters" }, { "MaxConcurrency", "MaxConcurrencyPath" },
    { "ToleratedFailureCount", "ToleratedFailureCountPath" },
    { "ToleratedFailurePercentage", "ToleratedFailurePercentagePath" } } })

--- Not of AWS: waits for several states that one fanned out to.
M.STATE.Join = object(join(ANY, PATHS, OUTPUT, FLOW, { ResultPath = RESULT.ResultPath, Catch = ERRORS.Catch,
    JoinOn = field "strings" }), { required = { "JoinOn" }, one_of = { NEXT_OR_END } })

-- Choice rules -------------------------------------------------------------------------------------

local function comparisons()
    local all = {}
    for kind, operators in pairs {
        string = { "StringEquals", "StringLessThan", "StringGreaterThan", "StringLessThanEquals",
            "StringGreaterThanEquals" },
        number = { "NumericEquals", "NumericLessThan", "NumericGreaterThan", "NumericLessThanEquals",
            "NumericGreaterThanEquals" },
        timestamp = { "TimestampEquals", "TimestampLessThan", "TimestampGreaterThan", "TimestampLessThanEquals",
            "TimestampGreaterThanEquals" },
        boolean = { "BooleanEquals" },
    } do
        for _, operator in ipairs(operators) do
            all[operator] = field(kind)
            all[operator .. "Path"] = field "reference_or_context"
        end
    end
    all.StringMatches = field "string"
    for _, operator in ipairs { "IsNull", "IsPresent", "IsNumeric", "IsString", "IsBoolean", "IsTimestamp" } do
        all[operator] = field "boolean"
    end
    return all
end

M.COMPARISONS = comparisons()
M.RULE_OUTCOME = { Next = field "next", Assign = field "assign", Comment = comment }

--- What rules of the other query language have.
M.RULE_JSONATA = { Condition = field("condition", { only = JSONATA }), Output = data_template }

local function path_only()
    local fields = {}
    for _, names in ipairs { M.COMPARISONS, { Variable = true, And = true, Or = true, Not = true } } do
        for name in pairs(names) do
            fields[name] = field("reference", { only = PATH })
        end
    end
    return fields
end

M.RULE_CONDITION = object(join(path_only(), M.RULE_OUTCOME, M.RULE_JSONATA), { required = { "Condition", "Next" } })

return M
