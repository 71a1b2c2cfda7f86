# SPDX-License-Identifier: MIT
# What `cmake --install` puts where: the program, libflowhost with its header and .pc file, licence and man page.
# Include it behind the targets `flowhost` (program) and `libflowhost` (shared library).
include(GNUInstallDirs)

set_target_properties(libflowhost PROPERTIES OUTPUT_NAME flowhost VERSION ${PROJECT_VERSION} SOVERSION 0)

install(TARGETS flowhost libflowhost
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR}
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${PROJECT_SOURCE_DIR}/include/flowhost.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES ${PROJECT_SOURCE_DIR}/docs/flowhost.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)

# Written at install time, so that `cmake --install --prefix` finds its way into it.
install(CODE "
    set(CMAKE_INSTALL_LIBDIR \"${CMAKE_INSTALL_LIBDIR}\")
    set(CMAKE_INSTALL_INCLUDEDIR \"${CMAKE_INSTALL_INCLUDEDIR}\")
    set(PROJECT_VERSION \"${PROJECT_VERSION}\")
    get_filename_component(CMAKE_INSTALL_PREFIX \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    foreach(dir LIBDIR INCLUDEDIR)
        if(IS_ABSOLUTE \"\${CMAKE_INSTALL_\${dir}}\")
            set(FLOWHOST_PC_\${dir} \"\${CMAKE_INSTALL_\${dir}}\")
        else()
            set(FLOWHOST_PC_\${dir} \"\\\${prefix}/\${CMAKE_INSTALL_\${dir}}\")
        endif()
    endforeach()
    configure_file(\"${CMAKE_CURRENT_LIST_DIR}/flowhost.pc.in\" \"${PROJECT_BINARY_DIR}/flowhost.pc\" @ONLY)
")
install(FILES ${PROJECT_BINARY_DIR}/flowhost.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
