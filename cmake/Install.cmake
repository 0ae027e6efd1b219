# Install.cmake - libraries, module, tool, headers, pipelines, pkg-config and CMake package files
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/qcc)

if(TARGET libqcc)
  install(TARGETS libqcc libqcc-rt EXPORT qccTargets
    LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}
    INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT qccTargets NAMESPACE qcc:: DESTINATION ${package_dir})
endif()
if(TARGET qcc-llvm)
  install(TARGETS qcc-llvm LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/qcc)
endif()
if(TARGET qcc)
  install(TARGETS qcc RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

# Applications include <qcc.h>. Passes are written as the ones in the tree are, with includes from
# the source root, so their headers keep the tree under include/qcc/, the public one among them.
set(headers ${CMAKE_INSTALL_INCLUDEDIR}/qcc)
install(FILES runtime/qcc.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} OPTIONAL)
install(FILES runtime/qcc.h DESTINATION ${headers}/runtime OPTIONAL)
install(FILES passes/qcc_pass.h DESTINATION ${headers}/passes OPTIONAL)
install(DIRECTORY ir DESTINATION ${headers}
  FILES_MATCHING PATTERN "*.h" PATTERN "*.def" PATTERN "ir/ops" EXCLUDE)
install(DIRECTORY pipelines DESTINATION ${CMAKE_INSTALL_DATADIR}/qcc OPTIONAL
  FILES_MATCHING PATTERN "*.yaml")

# Like the CMake files, these find themselves: an installed tree may be moved.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH prefix_from_pc /${pkgconfig_dir} /)
foreach(name qcc qcc-rt qcc-pass)
  configure_file(cmake/${name}.pc.in ${PROJECT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${pkgconfig_dir})
endforeach()

configure_package_config_file(cmake/qccConfig.cmake.in ${PROJECT_BINARY_DIR}/qccConfig.cmake
  INSTALL_DESTINATION ${package_dir}
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/qccConfigVersion.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/qccConfig.cmake ${PROJECT_BINARY_DIR}/qccConfigVersion.cmake
  DESTINATION ${package_dir})
