-- For authors of flows. In rocks/flowhost-kit: luarocks make ../flowhost-kit-0.1-1.rockspec
rockspec_format = "3.0"
package = "flowhost-kit"
version = "0.1-1"
source = {
    url = "git+https://flowhost.example/flowhost.git",
    dir = "flowhost/rocks/flowhost-kit",
}
description = {
    summary = "Editor types for flowhost: ctx, flows, tests",
    detailed = [[
        Definitions for lua-language-server of what flows call through ctx and tests through flowhost.test, and a
        flowhost.test that says how tests are run. Nothing of it is needed to serve or test flows.
    ]],
    license = "MIT",
}
dependencies = { "lua >= 5.1" }
build = {
    type = "builtin",
    modules = { ["flowhost.test"] = "lua/flowhost/test.lua" },
    copy_directories = { "library" },
}
