# Layer.cmake - one function: a folder of C files becomes a static library of the compiler

# qcc_layer(TARGET SOURCES... LINK LIBS...)
#
# SOURCES are patterns, relative to the current folder. They are globbed on purpose: here one file is
# one op, one pass, one idea, and adding the file is all there is to do. CONFIGURE_DEPENDS makes the
# build notice it. A leading ! takes away again what an earlier pattern took in. A folder without
# sources gives an empty layer, which its users may link all the same.
function(qcc_layer target)
  cmake_parse_arguments(arg "" "" "SOURCES;LINK" ${ARGN})
  set(sources)
  foreach(pattern IN LISTS arg_SOURCES)
    if(pattern MATCHES "^!(.*)$")
      list(REMOVE_ITEM sources ${CMAKE_CURRENT_SOURCE_DIR}/${CMAKE_MATCH_1})
    else()
      file(GLOB found CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${pattern})
      list(APPEND sources ${found})
    endif()
  endforeach()
  if(sources)
    add_library(${target} STATIC ${sources})
    target_link_libraries(${target} PUBLIC ${arg_LINK})
  else()
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${arg_LINK})
  endif()
endfunction()

# qcc_shared(TARGET OUTPUT LAYERS...) - a shared library holding every object of the layers, so that
# each exported symbol is in it whether or not something inside the library calls it
function(qcc_shared target output)
  add_library(${target} SHARED)
  set_target_properties(${target} PROPERTIES
    OUTPUT_NAME ${output}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR})
  foreach(layer IN LISTS ARGN)
    get_target_property(type ${layer} TYPE)
    if(type STREQUAL "STATIC_LIBRARY")
      target_sources(${target} PRIVATE $<TARGET_OBJECTS:${layer}>)
    endif()
    target_link_libraries(${target} PRIVATE ${layer})
  endforeach()
  set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
  # What is exported for plugins is still called directly from inside.
  target_link_options(${target} PRIVATE -Wl,-Bsymbolic-functions)
endfunction()
