# SPDX-License-Identifier: MIT
# Finds the libraries of DESIGN §10. Debian ships no .pc for libev and LMDB, hence the two interface targets.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(LUAJIT REQUIRED IMPORTED_TARGET luajit)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)

# Lua modules of C, as libraries: the program needs no module path. They take the Lua API from LuaJIT, whatever their .pc
# asks for. Debian's static ones are not position independent.
find_library(LUA_LPEG_LIBRARY lua5.1-lpeg REQUIRED)
find_library(LUA_LXP_LIBRARY lua5.1-expat REQUIRED)
add_library(dep_lua_modules INTERFACE IMPORTED)
set_target_properties(dep_lua_modules PROPERTIES INTERFACE_LINK_LIBRARIES "${LUA_LPEG_LIBRARY};${LUA_LXP_LIBRARY}")

function(plain_library target library header)
    find_library(${target}_LIBRARY ${library} REQUIRED)
    find_path(${target}_INCLUDE ${header} REQUIRED)
    add_library(${target} INTERFACE IMPORTED)
    set_target_properties(${target} PROPERTIES
        INTERFACE_LINK_LIBRARIES "${${target}_LIBRARY}"
        INTERFACE_INCLUDE_DIRECTORIES "${${target}_INCLUDE}")
endfunction()
plain_library(dep_ev ev ev.h)
plain_library(dep_lmdb lmdb lmdb.h)
