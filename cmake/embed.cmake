# SPDX-License-Identifier: MIT
# Makes embedded.c in the build folder: lua/**/*.lua and argparse, for core/vm/embedded.h.
# embed_lua(VARIABLE) sets VARIABLE to the path of the generated source.
find_program(LUAJIT_PROGRAM luajit REQUIRED)
find_file(ARGPARSE_LUA argparse.lua PATHS /usr/share/lua/5.1 NO_DEFAULT_PATH REQUIRED)

function(embed_lua variable)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/lua/*.lua)
    set(script ${PROJECT_SOURCE_DIR}/tools/embed.lua)
    set(output ${PROJECT_BINARY_DIR}/embedded.c)
    add_custom_command(OUTPUT ${output}
        COMMAND ${LUAJIT_PROGRAM} ${script} ${output} ROOT=${PROJECT_SOURCE_DIR}/lua
            ${sources} argparse.lua=${ARGPARSE_LUA}
        DEPENDS ${script} ${sources} ${ARGPARSE_LUA}
        COMMENT "embedding the Lua library" VERBATIM)
    set(${variable} ${output} PARENT_SCOPE)
endfunction()
