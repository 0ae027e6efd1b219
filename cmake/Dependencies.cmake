# Dependencies.cmake - what qcc takes from the system, each as one target Qcc::NAME or PkgConfig::NAME
#
# tools/install-deps.sh lists the Debian packages.

set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash>=0.8)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c)
pkg_check_modules(JPEG REQUIRED IMPORTED_TARGET libjpeg)
pkg_check_modules(PNG REQUIRED IMPORTED_TARGET libpng)
pkg_check_modules(ZIP REQUIRED IMPORTED_TARGET libzip)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)

# The ONNX schema, from which protoc-c writes the reader.
find_program(PROTOC_C_EXECUTABLE protoc-c REQUIRED)
find_path(ONNX_PROTO_DIR onnx.proto PATH_SUFFIXES onnx REQUIRED)

# LLVM: only the C API, only the shared library. llvm-config answers all that is needed; LLVM's own
# package file would ask for a C++ compiler and for every library that LLVM was built with.
if(QCC_WITH_LLVM)
  find_program(LLVM_CONFIG_EXECUTABLE NAMES llvm-config-19 llvm-config REQUIRED)
  foreach(what version includedir libdir)
    execute_process(COMMAND ${LLVM_CONFIG_EXECUTABLE} --${what} OUTPUT_VARIABLE QCC_LLVM_${what}
      OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
  if(NOT QCC_LLVM_version VERSION_GREATER_EQUAL 19 OR NOT QCC_LLVM_version VERSION_LESS 20)
    message(FATAL_ERROR "LLVM 19 is wanted, ${LLVM_CONFIG_EXECUTABLE} is ${QCC_LLVM_version}")
  endif()
  find_library(LLVM_LIBRARY NAMES LLVM-19 HINTS ${QCC_LLVM_libdir} REQUIRED)
  add_library(Qcc::llvm INTERFACE IMPORTED)
  target_include_directories(Qcc::llvm INTERFACE ${QCC_LLVM_includedir})
  target_link_libraries(Qcc::llvm INTERFACE ${LLVM_LIBRARY})
  # Part of every kernel's cache key, so all layers know it, not only those that call LLVM.
  add_compile_definitions(QCC_LLVM_VERSION="${QCC_LLVM_version}")
  message(STATUS "Found LLVM ${QCC_LLVM_version}: ${LLVM_LIBRARY}")
endif()
