-- SPDX-License-Identifier: MIT
-- What TestState checks values against: results of services that a test mocks, and the context object that it gives.
-- Pure. Source: the response syntax in the API references of the services.
--
--   schema: { kind, min, max (of numbers), values (of texts), fields = { name = schema }, required = names,
--           of = schema, is_closed = true where other fields are not allowed }
--   kind:   "string" | "number" | "boolean" | "array" | "object" | "map" | "any"

local M = {}

local text, number, boolean, any = { "string" }, { "number" }, { "boolean" }, { "any" }

local function object(fields, more)
    local own = { "object", fields = fields }
    for name, value in pairs(more or {}) do
        own[name] = value
    end
    return own
end

local function array(of)
    return { "array", of = of }
end

local function map(of)
    return { "map", of = of }
end

local function enum(...)
    return { "string", values = { ... } }
end

local function between(min, max)
    return { "number", min = min, max = max }
end

-- results of services --------------------------------------------------------------------------------

--- Fields that are all texts, and others.
local function with_texts(names, fields)
    for name in names:gmatch "%S+" do
        fields[name] = text
    end
    return fields
end

local CAPACITY = object { CapacityUnits = number, ReadCapacityUnits = number, WriteCapacityUnits = number }
local CONSUMED = object(with_texts("TableName", { CapacityUnits = number, ReadCapacityUnits = number,
    WriteCapacityUnits = number, Table = CAPACITY, LocalSecondaryIndexes = map(CAPACITY),
    GlobalSecondaryIndexes = map(CAPACITY) }))

local DYNAMODB_VALUE = object { S = text, N = text, B = text, SS = array(text), NS = array(text), BS = array(text),
    M = map(any), L = array(any), NULL = boolean, BOOL = boolean }
local DYNAMODB_ITEM = map(DYNAMODB_VALUE)

local DYNAMODB_WRITE = object { Attributes = DYNAMODB_ITEM, ConsumedCapacity = CONSUMED,
    ItemCollectionMetrics = object { ItemCollectionKey = DYNAMODB_ITEM, SizeEstimateRangeGB = array(number) } }

local FUNCTION_CONFIGURATION = object(with_texts("FunctionName FunctionArn Role Handler Description LastModified "
    .. "CodeSha256 Version KMSKeyArn MasterArn RevisionId StateReason StateReasonCode LastUpdateStatusReason "
    .. "LastUpdateStatusReasonCode SigningProfileVersionArn SigningJobArn Runtime ConfigSha256", {
    CodeSize = number, Timeout = between(1), MemorySize = between(128, 10240), PackageType = enum("Zip", "Image"),
    State = enum("Pending", "Active", "Inactive", "Failed", "Deactivating", "Deactivated", "ActiveNonInvocable",
        "Deleting"), LastUpdateStatus = enum("Successful", "Failed", "InProgress"),
    TracingConfig = object { Mode = enum("Active", "PassThrough") }, DeadLetterConfig = object { TargetArn = text },
    Environment = object { Variables = map(text), Error = object { ErrorCode = text, Message = text } },
    EphemeralStorage = object { Size = between(512, 10240) },
    VpcConfig = object { SubnetIds = array(text), SecurityGroupIds = array(text), VpcId = text,
        Ipv6AllowedForDualStack = boolean },
    Layers = array(object { Arn = text, CodeSize = number, SigningProfileVersionArn = text, SigningJobArn = text }),
    FileSystemConfigs = array(object { Arn = text, LocalMountPath = text }),
    Architectures = array(enum("x86_64", "arm64")), SnapStart = object { OptimizationStatus = enum("On", "Off"),
        ApplyOn = enum("PublishedVersions", "None") },
    LoggingConfig = object { LogFormat = enum("JSON", "Text"), LogGroup = text,
        ApplicationLogLevel = enum("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
        SystemLogLevel = enum("DEBUG", "INFO", "WARN") },
}))

local S3_OBJECT = object(with_texts("AcceptRanges Expiration Restore LastModified ETag ChecksumCRC32 ChecksumCRC32C "
    .. "ChecksumCRC64NVME ChecksumSHA1 ChecksumSHA256 VersionId CacheControl ContentDisposition ContentEncoding "
    .. "ContentLanguage ContentRange ContentType Expires ExpiresString WebsiteRedirectLocation SSECustomerAlgorithm "
    .. "SSECustomerKeyMD5 SSEKMSKeyId ObjectLockRetainUntilDate", {
    Body = any, DeleteMarker = boolean, ContentLength = number, MissingMeta = number, PartsCount = number,
    TagCount = number, BucketKeyEnabled = boolean, Metadata = map(text), RequestCharged = enum "requester",
    ServerSideEncryption = enum("AES256", "aws:fsx", "aws:kms", "aws:kms:dsse"),
    ChecksumType = enum("COMPOSITE", "FULL_OBJECT"),
    ReplicationStatus = enum("COMPLETE", "PENDING", "FAILED", "REPLICA", "COMPLETED"),
    ObjectLockMode = enum("GOVERNANCE", "COMPLIANCE"), ObjectLockLegalHoldStatus = enum("ON", "OFF"),
    StorageClass = enum("STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING",
        "GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "GLACIER_IR", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"),
}))

local STARTED = object({ ExecutionArn = text, StartDate = text }, { required = { "ExecutionArn", "StartDate" } })

--- By the last two parts of a resource.
local RESULTS = {
    ["dynamodb:deleteItem"] = DYNAMODB_WRITE, ["dynamodb:putItem"] = DYNAMODB_WRITE,
    ["dynamodb:updateItem"] = DYNAMODB_WRITE,
    ["dynamodb:getItem"] = object { Item = DYNAMODB_ITEM, ConsumedCapacity = CONSUMED },
    ["events:putEvents"] = object { FailedEntryCount = number,
        Entries = array(object { EventId = text, ErrorCode = text, ErrorMessage = text }) },
    ["kms:encrypt"] = object { CiphertextBlob = text, KeyId = text,
        EncryptionAlgorithm = enum("SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE") },
    ["lambda:getFunction"] = object { Configuration = FUNCTION_CONFIGURATION, Tags = map(text),
        Code = object(with_texts("RepositoryType Location ImageUri ResolvedImageUri SourceKMSKeyArn", {})),
        TagsError = object { ErrorCode = text, Message = text },
        Concurrency = object { ReservedConcurrentExecutions = between(0) } },
    ["lambda:invoke"] = object { StatusCode = number, FunctionError = text, LogResult = text, Payload = any,
        ExecutedVersion = text },
    ["s3:getObject"] = S3_OBJECT,
    ["sfn:startExecution"] = STARTED, ["states:startExecution"] = STARTED,
    ["sns:publish"] = object { MessageId = text, SequenceNumber = text },
    ["sqs:sendMessage"] = object(with_texts("MD5OfMessageBody MD5OfMessageAttributes MD5OfMessageSystemAttributes "
        .. "MessageId SequenceNumber", {})),
}
RESULTS["eventbridge:putEvents"] = RESULTS["events:putEvents"]

--- The schema of what a service answers; nil for one that is not known, and where the answer is not the service's own.
---@param resource table  task.parse_resource
function M.of_result(resource)
    if resource.kind ~= "service" or resource.mode ~= "" then
        return nil
    end
    return RESULTS[("%s:%s"):format(resource.type:match "[^:]*$", resource.action)]
end

-- the context object ---------------------------------------------------------------------------------

local function closed(fields)
    return object(fields, { is_closed = true })
end

M.CONTEXT = closed {
    Execution = closed { Id = text, Input = any, Name = text, RoleArn = text, StartTime = text, RedriveCount = number,
        RedriveTime = text },
    State = closed { EnteredTime = text, Name = text, RetryCount = number },
    StateMachine = closed { Id = text, Name = text }, Task = closed { Token = text },
    Map = closed { Item = closed { Index = number, Key = text, Value = any, Source = text } },
}

-- checking -------------------------------------------------------------------------------------------

local check

local CHECKS = {}

local function is_object(value, o)
    return type(value) == "table" and not o.is_array(value)
end

function CHECKS.any() end

function CHECKS.string(schema, value)
    if type(value) ~= "string" then
        return "must be a string"
    end
    for _, one in ipairs(schema.values or { value }) do
        if one == value then
            return nil
        end
    end
    return "is not an expected value"
end

function CHECKS.number(schema, value)
    local is_number = type(value) == "number" or type(value) == "cdata"
    if not is_number then
        return "must be a number"
    elseif schema.min and value < schema.min then
        return "is less than the minimum value"
    elseif schema.max and value > schema.max then
        return "exceeds the maximum value"
    end
end

function CHECKS.boolean(_, value)
    return type(value) ~= "boolean" and "must be a boolean" or nil
end

function CHECKS.array(schema, value, name, o)
    if type(value) ~= "table" or not o.is_array(value) then
        return "must be an array"
    end
    for _, one in ipairs(value) do
        local problem = check(schema.of, one, name, o)
        if problem then
            return nil, problem
        end
    end
end

local function sorted(value)
    local names = {}
    for name in pairs(value) do
        names[#names + 1] = name
    end
    table.sort(names)
    return names
end

function CHECKS.map(schema, value, _, o)
    if not is_object(value, o) then
        return "must be an object"
    end
    for _, name in ipairs(sorted(value)) do
        local problem = check(schema.of, value[name], name, o)
        if problem then
            return nil, problem
        end
    end
end

function CHECKS.object(schema, value, _, o)
    if not is_object(value, o) then
        return "must be an object"
    end
    for _, name in ipairs(o.is_strict and schema.required or {}) do
        if value[name] == nil or value[name] == o.null then
            return nil, ("Required field '%s' is missing"):format(name)
        end
    end
    for _, name in ipairs(sorted(value)) do
        local own, problem = schema.fields[name], nil
        if own then
            problem = check(own, value[name], name, o)
        elseif schema.is_closed then
            problem = ("Field '%s' is not allowed"):format(name)
        end
        if problem then
            return nil, problem
        end
    end
end

--- What is wrong with a value, with the name of the field that it is; nil when nothing is.
function check(schema, value, name, o)
    if value == o.null then
        return nil
    end
    local own, inner = CHECKS[schema[1]](schema, value, name, o)
    return own and ("Field '%s' %s"):format(name, own) or inner
end

---@param o { null: any, is_array: function, is_strict: boolean? }  is_strict: required fields must be there
M.check = check

return M
