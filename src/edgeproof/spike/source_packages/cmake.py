"""A CMake project: the engine as a static and a shared library, installed with a config that ``find_package`` finds."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from edgeproof.spike.source_packages.naming import Naming
from edgeproof.spike.toolchain.description import Description
from edgeproof.spike.toolchain.main_program import main_program

__all__ = ["cmake_files"]

LISTS = Template("""\
# The engine of the network $name. Generated.
cmake_minimum_required(VERSION 3.13)
project($name VERSION 1.0.0 LANGUAGES C)

include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

option(${NAME}_FAST "Round a multiplication and an addition as one: quicker at times, other bits on each processor" OFF)
option(${NAME}_EXAMPLE "Build the program that reads samples from stdin" ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release)
endif()

# A microcontroller has none.
get_property(${NAME}_HAS_SHARED GLOBAL PROPERTY TARGET_SUPPORTS_SHARED_LIBS)

function(${name}_library target kind)
  add_library($${target} $${kind} src/$name.c)
  add_library($name::$${target} ALIAS $${target})
  target_include_directories($${target} PUBLIC
    $$<BUILD_INTERFACE:$${CMAKE_CURRENT_SOURCE_DIR}/include> $$<INSTALL_INTERFACE:$${CMAKE_INSTALL_INCLUDEDIR}>)
  set_target_properties($${target} PROPERTIES
    C_STANDARD 99 C_EXTENSIONS OFF C_VISIBILITY_PRESET hidden
    POSITION_INDEPENDENT_CODE $${${NAME}_HAS_SHARED} OUTPUT_NAME $name)
  if(MSVC)
    target_compile_options($${target} PRIVATE $$<IF:$$<BOOL:$${${NAME}_FAST}>,/fp:fast,/fp:precise>)
  else()
    # Without multiply-add in one rounding every processor gives the same bits.
    target_compile_options($${target} PRIVATE
      -O3 -fno-math-errno -fno-trapping-math -fno-delete-null-pointer-checks
      -ffp-contract=$$<IF:$$<BOOL:$${${NAME}_FAST}>,fast,off>
      -ffile-prefix-map=$${CMAKE_CURRENT_SOURCE_DIR}=.)
    target_link_libraries($${target} PUBLIC m)
  endif()
endfunction()

set(${NAME}_TARGETS $name)
${name}_library($name STATIC)
if(${NAME}_HAS_SHARED)
  list(APPEND ${NAME}_TARGETS ${name}_shared)
  ${name}_library(${name}_shared SHARED)
endif()
if(WIN32)
  # The import library of the shared one would bear the static one's name.
  set_target_properties(${name}_shared PROPERTIES OUTPUT_NAME ${name}_shared WINDOWS_EXPORT_ALL_SYMBOLS ON)
endif()

if(${NAME}_EXAMPLE AND ${NAME}_HAS_SHARED)
  add_executable(${name}_example example/${name}_example.c)
  set_target_properties(${name}_example PROPERTIES C_STANDARD 99)
  target_link_libraries(${name}_example PRIVATE $name)
endif()

install(TARGETS $${${NAME}_TARGETS} EXPORT ${name}Targets
  ARCHIVE DESTINATION $${CMAKE_INSTALL_LIBDIR}
  LIBRARY DESTINATION $${CMAKE_INSTALL_LIBDIR}
  RUNTIME DESTINATION $${CMAKE_INSTALL_BINDIR})
install(FILES include/$name.h DESTINATION $${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT ${name}Targets NAMESPACE $name:: DESTINATION $${CMAKE_INSTALL_LIBDIR}/cmake/$name)
configure_package_config_file(cmake/${name}Config.cmake.in $${CMAKE_CURRENT_BINARY_DIR}/${name}Config.cmake
  INSTALL_DESTINATION $${CMAKE_INSTALL_LIBDIR}/cmake/$name)
write_basic_package_version_file($${CMAKE_CURRENT_BINARY_DIR}/${name}ConfigVersion.cmake
  COMPATIBILITY SameMajorVersion)
install(FILES
  $${CMAKE_CURRENT_BINARY_DIR}/${name}Config.cmake $${CMAKE_CURRENT_BINARY_DIR}/${name}ConfigVersion.cmake
  DESTINATION $${CMAKE_INSTALL_LIBDIR}/cmake/$name)
""")

CONFIG = Template("""\
@PACKAGE_INIT@
include("$${CMAKE_CURRENT_LIST_DIR}/${name}Targets.cmake")
check_required_components($name)
""")

README = Template("""\
# $name for CMake

    cmake -S . -B build && cmake --build build && cmake --install build --prefix /where/you/want
    build/${name}_example < samples.bin > outputs.bin      # raw float32

In your project:

    find_package($name REQUIRED)
    target_link_libraries(app PRIVATE $name::$name)        # static; $name::${name}_shared is the shared library

or `add_subdirectory` of this folder. `include/$name.h` says what a call takes and gives. For another processor give
CMake a toolchain file. `-D${NAME}_FAST=ON` lets the compiler round a multiplication and an addition as one; without it
every processor gives the same bits. `-DCMAKE_C_FLAGS=-DEDGEPROOF_WIDEST=1` leaves out the vector code, which suits
microcontrollers.
""")


def cmake_files(told: Description, names: Naming, c: str, h: str) -> Mapping[str, str]:
    """The project's files by path."""
    words = {"name": names.name, "NAME": names.upper}
    sizes = [[plug.whole for plug in plugs] for plugs in (told.inputs, told.outputs)]
    return {
        "CMakeLists.txt": LISTS.substitute(words),
        f"cmake/{names.name}Config.cmake.in": CONFIG.substitute(words),
        f"src/{names.name}.c": c,
        f"include/{names.name}.h": h,
        f"example/{names.name}_example.c": main_program(names.name, sizes[0], sizes[1]),
        "README.md": README.substitute(words),
    }
