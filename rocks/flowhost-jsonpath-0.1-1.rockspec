-- JSONPath and intrinsic functions of Amazon States Language. In the repository's root:
-- luarocks make rocks/flowhost-jsonpath-0.1-1.rockspec
rockspec_format = "3.0"
package = "flowhost-jsonpath"
version = "0.1-1"
source = {
    url = "git+https://flowhost.example/flowhost.git",
    dir = "flowhost",
}
description = {
    summary = "JSONPath, intrinsic functions, payload templates and Choice rules of Amazon States Language",
    detailed = [[
        The JSONPath side of Amazon States Language for LuaJIT: paths in the dialect AWS uses, compiled to closures,
        Reference Paths that can be set, all States.* functions, payload templates and Choice rules, with the error
        texts AWS answers with. Takes its JSON library as options.
    ]],
    license = "MIT",
}
dependencies = { "lua >= 5.1, < 5.2", "lpeg >= 1.0", "flowhost-jsonata >= 0.1" }
build = {
    type = "builtin",
    modules = {
        ["flowhost.dialect.asl.choice"] = "lua/flowhost/dialect/asl/choice.lua",
        ["flowhost.expr.asl_template"] = "lua/flowhost/expr/asl_template.lua",
        ["flowhost.expr.base64"] = "lua/flowhost/expr/base64.lua",
        ["flowhost.expr.intrinsic"] = "lua/flowhost/expr/intrinsic.lua",
        ["flowhost.expr.intrinsic_functions"] = "lua/flowhost/expr/intrinsic_functions.lua",
        ["flowhost.expr.intrinsic_parse"] = "lua/flowhost/expr/intrinsic_parse.lua",
        ["flowhost.expr.jsonpath"] = "lua/flowhost/expr/jsonpath.lua",
        ["flowhost.expr.jsonpath_equal"] = "lua/flowhost/expr/jsonpath_equal.lua",
        ["flowhost.expr.jsonpath_filter"] = "lua/flowhost/expr/jsonpath_filter.lua",
        ["flowhost.expr.jsonpath_parse"] = "lua/flowhost/expr/jsonpath_parse.lua",
        ["flowhost.expr.jsonpath_regex"] = "lua/flowhost/expr/jsonpath_regex.lua",
        ["flowhost.expr.jsonpath_steps"] = "lua/flowhost/expr/jsonpath_steps.lua",
        ["flowhost.expr.rfc3339"] = "lua/flowhost/expr/rfc3339.lua",
        ["flowhost.expr.value"] = "lua/flowhost/expr/value.lua",
    },
}
