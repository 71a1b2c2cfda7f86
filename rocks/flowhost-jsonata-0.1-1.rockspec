-- JSONata for any LuaJIT or Lua 5.1 program. In the top folder: luarocks make rocks/flowhost-jsonata-0.1-1.rockspec
rockspec_format = "3.0"
package = "flowhost-jsonata"
version = "0.1-1"
source = {
    url = "git+https://flowhost.example/flowhost.git",
    dir = "flowhost",
}
description = {
    summary = "JSONata 2 compiled to Lua closures",
    detailed = [[
        Query and transformation language for JSON (docs.jsonata.org): full grammar, all functions, error codes with
        positions, limits of time, steps and depth. Pure Lua; works on plain tables with any JSON library. With the
        functions that AWS Step Functions adds.
    ]],
    license = "MIT",
}
dependencies = { "lua >= 5.1, < 5.2" }
build = {
    type = "builtin",
    modules = {
        ["flowhost.expr.jsonata"] = "lua/flowhost/expr/jsonata.lua",
        ["flowhost.expr.jsonata_aws"] = "lua/flowhost/expr/jsonata_aws.lua",
        ["flowhost.expr.jsonata.calendar"] = "lua/flowhost/expr/jsonata/calendar.lua",
        ["flowhost.expr.jsonata.compile"] = "lua/flowhost/expr/jsonata/compile.lua",
        ["flowhost.expr.jsonata.compile_call"] = "lua/flowhost/expr/jsonata/compile_call.lua",
        ["flowhost.expr.jsonata.compile_filter"] = "lua/flowhost/expr/jsonata/compile_filter.lua",
        ["flowhost.expr.jsonata.compile_object"] = "lua/flowhost/expr/jsonata/compile_object.lua",
        ["flowhost.expr.jsonata.compile_operator"] = "lua/flowhost/expr/jsonata/compile_operator.lua",
        ["flowhost.expr.jsonata.compile_path"] = "lua/flowhost/expr/jsonata/compile_path.lua",
        ["flowhost.expr.jsonata.compile_tuple"] = "lua/flowhost/expr/jsonata/compile_tuple.lua",
        ["flowhost.expr.jsonata.functions"] = "lua/flowhost/expr/jsonata/functions.lua",
        ["flowhost.expr.jsonata.functions_array"] = "lua/flowhost/expr/jsonata/functions_array.lua",
        ["flowhost.expr.jsonata.functions_match"] = "lua/flowhost/expr/jsonata/functions_match.lua",
        ["flowhost.expr.jsonata.functions_number"] = "lua/flowhost/expr/jsonata/functions_number.lua",
        ["flowhost.expr.jsonata.functions_picture"] = "lua/flowhost/expr/jsonata/functions_picture.lua",
        ["flowhost.expr.jsonata.functions_string"] = "lua/flowhost/expr/jsonata/functions_string.lua",
        ["flowhost.expr.jsonata.functions_time"] = "lua/flowhost/expr/jsonata/functions_time.lua",
        ["flowhost.expr.jsonata.integer_picture"] = "lua/flowhost/expr/jsonata/integer_picture.lua",
        ["flowhost.expr.jsonata.letters"] = "lua/flowhost/expr/jsonata/letters.lua",
        ["flowhost.expr.jsonata.lexer"] = "lua/flowhost/expr/jsonata/lexer.lua",
        ["flowhost.expr.jsonata.message"] = "lua/flowhost/expr/jsonata/message.lua",
        ["flowhost.expr.jsonata.number_picture"] = "lua/flowhost/expr/jsonata/number_picture.lua",
        ["flowhost.expr.jsonata.parser"] = "lua/flowhost/expr/jsonata/parser.lua",
        ["flowhost.expr.jsonata.regex"] = "lua/flowhost/expr/jsonata/regex.lua",
        ["flowhost.expr.jsonata.regex_function"] = "lua/flowhost/expr/jsonata/regex_function.lua",
        ["flowhost.expr.jsonata.regex_parse"] = "lua/flowhost/expr/jsonata/regex_parse.lua",
        ["flowhost.expr.jsonata.runtime"] = "lua/flowhost/expr/jsonata/runtime.lua",
        ["flowhost.expr.jsonata.runtime_value"] = "lua/flowhost/expr/jsonata/runtime_value.lua",
        ["flowhost.expr.jsonata.signature"] = "lua/flowhost/expr/jsonata/signature.lua",
        ["flowhost.expr.jsonata.text"] = "lua/flowhost/expr/jsonata/text.lua",
        ["flowhost.expr.jsonata.time_parse"] = "lua/flowhost/expr/jsonata/time_parse.lua",
        ["flowhost.expr.jsonata.time_picture"] = "lua/flowhost/expr/jsonata/time_picture.lua",
        ["flowhost.expr.jsonata.tree"] = "lua/flowhost/expr/jsonata/tree.lua",
        ["flowhost.expr.number_text"] = "lua/flowhost/expr/number_text.lua",
        ["flowhost.expr.utf8_char"] = "lua/flowhost/expr/utf8_char.lua",
    },
}
